"""Trials as Ray tasks: the driver asks and tells, any machine of the cluster evaluates."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fracdse.errors import FracdseError, StudyError
from fracdse.ray_cluster import RayCluster, RayShares
from fracdse.search.asking import Asked, Asker
from fracdse.search.cache import Trained, code_version
from fracdse.search.loop import Budget, Listener, tell_listener
from fracdse.search.objective import AtRung, evaluate_step, stopped
from fracdse.search.problem import Problem
from fracdse.search.ray_task import Step, run_step, without_cache
from fracdse.search.resuming import requeue_lost
from fracdse.search.study import machine_owner
from fracdse.search.trial_facts import Outcome

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class _Task:
    """A trial on the cluster, on its way from the rung `at`, or from its start."""

    asked: Asked
    at: AtRung | None


def run_on_ray(problem: Problem, asker: Asker, budget: Budget, listener: Listener, shares: RayShares) -> None:
    """Evaluate designs on a Ray cluster until the budget is used up.

    As many trials run as the cluster's CPUs and GPUs hold at the time; the training set is put into the object store
    once. A trial whose machine is lost is run again, once. Checkpoints of rungs are kept by the machine that trained,
    so a trial goes on there if it can and repeats its first epochs elsewhere.

    Raises:
        ToolNotFound: Ray is not installed.
        StudyError: There is no cluster at the address, it went away, or a node of it has another fracdse.
        ConfigError: No node is large enough for a trial.
    """
    with RayCluster(shares.address) as cluster:
        gone = cluster.ray.exceptions
        try:
            _Fleet(cluster, problem, asker, budget, listener, shares).run()
        except (gone.RaySystemError, gone.LocalRayletDiedError, ConnectionError) as error:
            raise StudyError(
                f"the Ray cluster went away: {_first_line(error)}",
                hint="Finished trials are kept; continue with --resume.",
            ) from None


class _Fleet:
    """The tasks that are on the cluster."""

    def __init__(
        self,
        cluster: RayCluster,
        problem: Problem,
        asker: Asker,
        budget: Budget,
        listener: Listener,
        shares: RayShares,
    ) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._problem, self._asker, self._budget, self._listener = problem, asker, budget, listener
        self._shares = shares
        self._shared_problem = self._ray.put(without_cache(problem))
        self._step = self._ray.remote(num_cpus=shares.cpus, num_gpus=shares.gpus, max_retries=0)(run_step)
        self._tasks: dict[Any, _Task] = {}
        folder = f"fracdse-{asker.study.name}-{machine_owner(asker.study)}"
        self._checkpoints = Path(tempfile.gettempdir()) / folder

    def run(self) -> None:
        """Keep the cluster filled until nothing is left to do."""
        while True:
            self._cluster.check()
            if self._cluster.answers:
                self._fill()
                if not self._tasks:
                    return
            for reference in self._finished():
                self._take(reference, self._tasks.pop(reference))

    def _finished(self) -> list[Any]:
        """Wait a moment for a task to end."""
        if not self._tasks:
            time.sleep(_POLL_SECONDS)
            return []
        done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=_POLL_SECONDS)
        return list(done)

    def _fill(self) -> None:
        slots = self._cluster.slots(self._shares)
        if not slots and not self._tasks:
            self._cluster.require(self._shares)
        while not self._budget.over and len(self._tasks) < slots:
            asked = self._asker.next(self._budget.trials)
            if asked is None:
                return
            self._listener.started(asked.trial.number, asked.design)
            if asked.refused is not None:
                self._tell(asked, asked.refused)
            elif self._problem.cache.find(asked.design) is None:
                self._send(_Task(asked, None))
            else:
                # Known already: milliseconds here instead of a journey.
                self._deal_with(
                    _Task(asked, None), evaluate_step(self._problem, asked.design, asked.seed, self._checkpoints)
                )

    def _send(self, task: _Task) -> None:
        step = Step(task.asked.design, task.asked.seed, self._checkpoints, task.at, code_version())
        self._tasks[self._step.remote(self._shared_problem, step)] = task

    def _take(self, reference: Any, task: _Task) -> None:
        lost = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError, lost.ObjectLostError) as error:
            self._lose(task, _first_line(error))
            return
        except lost.RayTaskError as error:
            task.asked.heartbeat.stop()
            if isinstance(error.cause, FracdseError):
                raise error.cause from None
            raise StudyError(
                f"a node of the Ray cluster cannot evaluate designs: {_first_line(error.cause or error)}",
                hint="Every node needs fracdse in the driver's version, and all that it depends on.",
            ) from None
        self._deal_with(task, answer)

    def _deal_with(self, task: _Task, answer: AtRung | Outcome) -> None:
        if isinstance(answer, AtRung):
            self._asker.note_rung(task.asked, answer)
            reason = self._asker.verdict(task.asked, answer, None)
            if not reason:
                self._send(_Task(task.asked, answer))
                return
            answer = stopped(answer, reason, task.asked.design, task.asked.seed, self._checkpoints)
        self._keep(task.asked, answer)
        self._tell(task.asked, answer)

    def _tell(self, asked: Asked, outcome: Outcome) -> None:
        tell_listener(self._listener, asked.trial.number, self._asker.tell(asked, outcome))

    def _keep(self, asked: Asked, outcome: Outcome) -> None:
        """Cache what a finished training gave."""
        trained = outcome.seconds.get("training")
        if outcome.state == "complete" and trained and outcome.accuracy is not None and outcome.gates is not None:
            self._problem.cache.keep(asked.design, Trained(outcome.accuracy, outcome.gates, trained))

    def _lose(self, task: _Task, reason: str) -> None:
        task.asked.heartbeat.stop()
        number = task.asked.trial.number
        requeue_lost(self._asker.study, lambda trial: trial.number == number, f"its machine was lost ({reason})")
        tell_listener(self._listener, number, self._asker.study.find_record(number))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
