"""Trials as Ray tasks: the driver asks and tells, any machine of the cluster evaluates."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fracdse.errors import ConfigError, StudyError, ToolNotFound
from fracdse.search.asking import Asked, Asker
from fracdse.search.loop import Budget, Listener
from fracdse.search.objective import AtRung, evaluate_step, stopped
from fracdse.search.problem import Problem
from fracdse.search.ray_shares import RayShares
from fracdse.search.resuming import requeue_lost
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
        StudyError: There is no cluster at the address, or it went away.
    """
    ray = _import_ray()
    started_here = _connect(ray, shares.address)
    try:
        _Fleet(ray, problem, asker, budget, listener, shares).run()
    except (ray.exceptions.RaySystemError, ConnectionError) as error:
        raise StudyError(
            f"the Ray cluster went away: {str(error).splitlines()[0]}",
            hint="Finished trials are kept; continue with --resume.",
        ) from None
    finally:
        if started_here:
            ray.shutdown()


class _Fleet:
    """The tasks that are on the cluster."""

    def __init__(
        self, ray: Any, problem: Problem, asker: Asker, budget: Budget, listener: Listener, shares: RayShares
    ) -> None:
        self._ray, self._asker, self._budget, self._listener, self._shares = ray, asker, budget, listener, shares
        self._problem = ray.put(problem)
        self._step = ray.remote(num_cpus=shares.cpus, num_gpus=shares.gpus, max_retries=0)(evaluate_step)
        self._tasks: dict[Any, _Task] = {}
        self._checkpoints = Path(tempfile.gettempdir()) / f"fracdse-{asker.study.name}"

    def run(self) -> None:
        """Keep the cluster filled until nothing is left to do."""
        while True:
            self._fill()
            if not self._tasks:
                return
            done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=_POLL_SECONDS)
            for reference in done:
                self._take(reference, self._tasks.pop(reference))

    def _fill(self) -> None:
        while not self._budget.over and len(self._tasks) < self._capacity():
            asked = self._asker.next(self._budget.trials)
            if asked is None:
                return
            self._listener.started(asked.trial.number, asked.design)
            self._send(_Task(asked, None))

    def _capacity(self) -> int:
        """Return how many trials the living nodes hold, which may change at any time."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        slots = sum(self._slots(resources) for resources in nodes)
        if not slots and not self._tasks:
            raise ConfigError(
                f"no node of the Ray cluster has {self._shares.cpus:g} CPUs and {self._shares.gpus:g} GPUs for a trial",
                hint="Ask for less with --cpus and --gpus.",
            )
        return slots

    def _slots(self, resources: Mapping[str, float]) -> int:
        slots = resources.get("CPU", 0.0) / self._shares.cpus
        if self._shares.gpus:
            slots = min(slots, resources.get("GPU", 0.0) / self._shares.gpus)
        return math.floor(slots)

    def _send(self, task: _Task) -> None:
        reference = self._step.remote(self._problem, task.asked.design, task.asked.seed, self._checkpoints, task.at)
        self._tasks[reference] = task

    def _take(self, reference: Any, task: _Task) -> None:
        try:
            answer = self._ray.get(reference)
        except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.NodeDiedError) as error:
            self._lose(task, str(error).splitlines()[0])
            return
        except self._ray.exceptions.RayTaskError as error:
            answer = Outcome("failed", str(error.cause).splitlines()[0])
        if isinstance(answer, AtRung):
            self._asker.note_rung(task.asked, answer)
            reason = self._asker.verdict(task.asked, answer, None)
            if not reason:
                self._send(_Task(task.asked, answer))
                return
            answer = stopped(answer, reason, task.asked.design, task.asked.seed, self._checkpoints)
        self._listener.finished(self._asker.tell(task.asked, answer))

    def _lose(self, task: _Task, reason: str) -> None:
        task.asked.heartbeat.stop()
        number = task.asked.trial.number
        requeue_lost(self._asker.study, lambda trial: trial.number == number, f"its machine was lost ({reason})")


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ToolNotFound("Ray is not installed", hint="Install it with: pip install 'fracdse[cluster]'.") from None
    return ray


def _connect(ray: Any, address: str | None) -> bool:
    """Connect to a cluster, or start one; return whether one was started or joined here."""
    if ray.is_initialized():
        return False
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise StudyError(
            f"there is no Ray cluster at {address!r}: {str(error).splitlines()[0]}",
            hint="Start one with 'ray start --head', or leave --address out to start a local one.",
        ) from None
    return True
