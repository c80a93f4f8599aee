"""Several processes on one machine, working on one study with the CPU's threads divided between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from optuna.trial import TrialState

from fracdse.errors import FracdseError, StudyError
from fracdse.search.locks import DriverLock
from fracdse.search.loop import Budget, Listener
from fracdse.search.problem import StudyData
from fracdse.search.resuming import requeue_lost
from fracdse.search.seeds import REPEATABLE
from fracdse.search.shared_data import write_shared_data
from fracdse.search.study import Study, machine_owner, sampler_seed
from fracdse.search.trial_facts import START
from fracdse.search.worker_process import WorkerOrder

_POLL_SECONDS = 0.2
_MOST_DEATHS_IN_A_ROW = 3


@dataclass(frozen=True)
class CrewPlan:
    """How many workers, what they propose by, how long, and the address of the study's database, where it has one."""

    sampler: str
    count: int
    budget: Budget
    storage_url: str | None = None


def lag_of(study: Study, plan: CrewPlan) -> int:
    """Return how many trainings a proposal overlooks so that the order in which workers finish does not matter.

    The trainings that run at the time are overlooked in any case, so this is at least their number but one. With as
    many again, a worker whose trainings are short goes on while another one is at a long one. Other machines on the
    same database keep no common order, and samplers with a state of their own no common state.
    """
    return 0 if study.in_database or plan.sampler not in REPEATABLE else 2 * plan.count - 1


def threads_each(workers: int) -> int:
    """Return how many threads each of `workers` may compute with: its share of OMP_NUM_THREADS, or of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, (int(stated) if stated.isdecimal() else cores) // workers)


def run_workers(study: Study, data: StudyData, plan: CrewPlan, listener: Listener, lock: DriverLock) -> None:
    """Run workers until the budget is used up.

    A worker that dies is replaced; the trial it was on is run again, once. Workers hold the study's lock as well, so
    no second search starts while one of them lives, and they die with this process.

    Raises:
        StudyError: Workers keep dying.
        FracdseError: A worker stopped because of an error that concerns the whole study.
    """
    with tempfile.TemporaryDirectory(prefix="fracdse-") as folder:
        write_shared_data(Path(folder), data)
        crew = _Crew(study, Path(folder), data.fingerprint, plan, lock)
        watcher = StudyWatcher(study, listener)
        try:
            while crew.tend():
                watcher.look()
                time.sleep(_POLL_SECONDS)
        finally:
            crew.stop()
        watcher.look()


class StudyWatcher:
    """Tells a listener what other processes did to a study since the last look."""

    def __init__(self, study: Study, listener: Listener) -> None:
        self._study, self._listener = study, listener
        trials = study.optuna_study.get_trials(deepcopy=False)
        self._started = {t.number for t in trials if t.state != TrialState.WAITING and START in t.user_attrs}
        self._finished = {t.number for t in trials if t.state.is_finished()}

    def look(self) -> None:
        """Pass on what is new."""
        records = self._study.records_except(self._finished)
        for number in self._started - self._finished - {record.number for record in records}:
            self._finished.add(number)
            self._listener.dropped(number)
        for record in records:
            if record.state == "waiting":
                continue
            if record.number not in self._started:
                self._started.add(record.number)
                self._listener.started(record.number, record.design)
            if record.state != "running":
                self._finished.add(record.number)
                self._listener.finished(record)


class _Crew:
    """The worker processes, by index."""

    def __init__(self, study: Study, data: Path, fingerprint: str, plan: CrewPlan, lock: DriverLock) -> None:
        self._study, self._data, self._fingerprint = study, data, fingerprint
        self._plan, self._lock = plan, lock
        self._threads = threads_each(plan.count)
        self._deaths = 0
        self._finished_before = -1
        self._crew = {index: self._start(index) for index in range(plan.count)}

    def tend(self) -> bool:
        """Replace workers that died; return whether any is at work."""
        for index, (process, errors) in list(self._crew.items()):
            code = process.poll()
            if code is None:
                continue
            del self._crew[index]
            said = _read(errors)
            if code > 0:
                raise _error_of(said, index, code)
            if code < 0:
                self._replace(index, -code)
        return bool(self._crew)

    def stop(self) -> None:
        """End every worker and put the trials that they were on back."""
        for process, _ in self._crew.values():
            process.kill()
        for process, errors in self._crew.values():
            process.wait()
            errors.close()
        self._crew.clear()

    def _replace(self, index: int, signal_number: int) -> None:
        finished = sum(record.state not in ("waiting", "running") for record in self._study.records())
        self._deaths = self._deaths + 1 if finished == self._finished_before else 1
        self._finished_before = finished
        owner = self._owner(index)
        requeue_lost(
            self._study,
            lambda trial: trial.user_attrs.get(START, {}).get("owner") == owner,
            f"its worker was ended by signal {signal_number}",
        )
        if self._deaths >= _MOST_DEATHS_IN_A_ROW * self._plan.count:
            raise StudyError(
                f"workers keep dying (signal {signal_number})",
                hint="Often memory is short: use fewer --workers, or a smaller batch with --set proxy.batch_size=32.",
            )
        self._crew[index] = self._start(index)

    def _environment(self) -> dict[str, str]:
        """Return the environment of a worker; the database's address is in it, as arguments can be read by anyone."""
        url = self._plan.storage_url
        secret = {} if url is None else {"FRACDSE_STORAGE": url}
        return {**os.environ, **secret, "OMP_NUM_THREADS": str(self._threads)}

    def _owner(self, index: int) -> str:
        return f"{machine_owner(self._study)}/worker-{index}"

    def _start(self, index: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        order = WorkerOrder(
            folder=str(self._study.folder.resolve()),
            owner=self._owner(index),
            sampler=self._plan.sampler,
            sampler_seed=sampler_seed(self._study, self._plan.sampler, index),
            lag=lag_of(self._study, self._plan),
            trials=self._plan.budget.trials,
            seconds_left=self._plan.budget.seconds_left,
            threads=self._threads,
            data_folder=str(self._data),
            fingerprint=self._fingerprint,
            driver=os.getpid(),
        )
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker's end is dealt with
        process = subprocess.Popen(
            [sys.executable, "-m", "fracdse.search.worker_process", order.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[self._lock.descriptor],
            env=self._environment(),
        )
        return process, errors


def _read(errors: IO[bytes]) -> list[str]:
    with errors:
        errors.seek(0)
        return errors.read().decode(errors="replace").strip().splitlines()


def _error_of(said: Iterable[str], index: int, code: int) -> FracdseError:
    last = [f"exit code {code}", *said][-1]
    try:
        plain = json.loads(last)
        return StudyError(f"worker {index} stopped: {plain['message']}", hint=plain["hint"])
    except (ValueError, KeyError, TypeError):
        return StudyError(f"worker {index} stopped: {last}")
