"""Searches that are shot at: processes killed at random moments, started again, and every trial accounted for."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Protocol

from optuna.trial import FrozenTrial, TrialState

from fracdse.errors import StudyError
from fracdse.search.asking import counted
from fracdse.search.checking import check_study
from fracdse.search.resuming import BEFORE_START, INTERRUPTED, WORKER_DIED, design_to_repeat
from fracdse.search.study import open_study
from fracdse.search.trial_facts import RESULT, RETRY_OF, START, VOID

STUDY = "hunted"
# More designs than any hunt gets through, each trained for about a second.
SPACE = [
    "--set", "proxy.epochs=3", "--set", "data.samples=200", "--set", "network.depth=8",
    "--set", "network.width=[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]", "--sampler", "random",
]  # fmt: skip
_ENDLESS = 100_000
_PATIENCE_SECONDS = 120.0


class Machine:
    """A `fracdse search` in a folder of its own, which can be killed and started again."""

    def __init__(self, folder: Path, options: list[str], environment: dict[str, str] | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._options = folder, options
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, trials: int = _ENDLESS, *, joins: bool = False) -> None:
        known = (self.folder / "results" / STUDY / "study.json").exists()
        command = [sys.executable, "-m", "fracdse", "search", "--study", STUDY, "--trials", str(trials)]
        command += [*self._options, *SPACE, *(["--resume"] if known or joins else [])]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[int]:
        assert self.process is not None
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in children.split()]

    def finish(self, trials: int) -> None:
        """Run to the end; workers die with their driver, but the kernel may need a moment to let their lock go."""
        for _ in range(50):
            self.start(trials)
            assert self.process is not None
            code = self.process.wait(timeout=300)
            if code == 0:
                return
            assert "another process" in self.said(), self.said()
            time.sleep(0.2)
        raise AssertionError("the study's lock is never let go")

    def said(self) -> str:
        return (self.folder / "said").read_text()[-2000:]


class Target(Protocol):
    """What is hunted: the machines of a study, and a way to hit something of it and put it up again."""

    machines: list[Machine]
    storage_url: str | None

    def strike(self, dice: random.Random) -> str:
        """Kill something, start it again, and say what it was."""


class Ledger:
    """What is known of a study's trials; whatever was finished once must stay as it was."""

    def __init__(self, folder: Path, storage_url: str | None) -> None:
        self._folder, self._url = folder / "results" / STUDY, storage_url
        self._finished: dict[int, object] = {}
        self._started: set[int] = set()

    def trials(self) -> list[FrozenTrial]:
        try:
            study = open_study(self._folder, self._url)
        except StudyError:
            return []
        return study.optuna_study.get_trials(deepcopy=False)

    def look(self) -> list[FrozenTrial]:
        trials = self.trials()
        for trial in trials:
            if START in trial.user_attrs:
                self._started.add(trial.number)
            if trial.state.is_finished():
                facts = (trial.state, trial.params, trial.user_attrs.get(RESULT), trial.user_attrs.get(VOID))
                assert self._finished.setdefault(trial.number, facts) == facts, f"trial {trial.number} changed"
        assert self._finished.keys() <= {trial.number for trial in trials}, "a finished trial was lost"
        return trials

    def wait_for_start(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until a trial has begun since the last call, so that kills hit a search at work."""
        before, deadline = set(self._started), time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            running = {trial.number for trial in self.look() if trial.state == TrialState.RUNNING}
            if running & (self._started - before):
                return
            time.sleep(0.1)
        raise AssertionError(f"no trial began for {patience_seconds:.0f} s")

    def close(self) -> dict[str, int]:
        """Account for every trial at the end, and return what there is."""
        trials = self.look()
        findings = check_study(self._folder, self._url)
        assert not findings, findings
        assert all(trial.state.is_finished() for trial in trials)
        by_number = {trial.number: trial for trial in trials}
        assert self._started <= by_number.keys()
        lives = [trial for trial in trials if VOID not in trial.user_attrs]
        assert all(RESULT in trial.user_attrs for trial in lives)
        retries = Counter(trial.user_attrs.get(RETRY_OF) for trial in lives)
        assert max((count for number, count in retries.items() if number is not None), default=1) == 1
        interrupted = [trial for trial in trials if trial.user_attrs.get(VOID) in (INTERRUPTED, WORKER_DIED)]
        for trial in interrupted:
            design = design_to_repeat(trial)
            ends = [other.number for other in lives if other.params == design]
            assert len(ends) == 1, f"trial {trial.number} was interrupted, and its design came to an end in {ends}"
        # One that was killed before it began has nothing to be run again, unless it was to repeat another.
        unbegun = [trial for trial in trials if trial.user_attrs.get(VOID) == BEFORE_START]
        for trial in unbegun:
            assert START not in trial.user_attrs
            assert RETRY_OF not in trial.user_attrs
        failed = sum(trial.user_attrs[RESULT]["state"] == "failed" for trial in lives)
        counts = {"trials": len(lives), "interrupted": len(interrupted), "failed": failed}
        return {**counts, "interrupted before they began": len(unbegun)}


def hunt(target: Target, kills: int, seed: int) -> dict[str, int]:
    """Kill `kills` times at random moments, run the study to its end, and account for every trial."""
    dice, hits = random.Random(seed), Counter[str]()
    first = target.machines[0]
    ledger = Ledger(first.folder, target.storage_url)
    first.start()
    while not (first.folder / "results" / STUDY / "study.json").exists():
        assert first.process is not None
        assert first.process.poll() is None, first.said()
        time.sleep(0.1)
    for other in target.machines[1:]:
        other.start(joins=True)
    try:
        for _ in range(kills):
            ledger.wait_for_start()
            time.sleep(dice.uniform(0.0, 1.5))
            ledger.look()
            hits[target.strike(dice)] += 1
            ledger.look()
    finally:
        for machine in target.machines:
            machine.kill()
    enough = counted(ledger.trials()) + 2
    for machine in target.machines:
        machine.finish(enough)
    return {**ledger.close(), **{f"kills of {what}": count for what, count in hits.items()}}


def kill_process(pid: int) -> bool:
    """Kill a process; False where it had ended by itself."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class RayHead:
    """The head of a Ray cluster on the loopback interface, in processes and a folder of its own."""

    def __init__(self, folder: Path, port: int, cpus: int = 2) -> None:
        self._folder, self._cpus = folder, cpus
        self.address = f"127.0.0.1:{port}"
        self.environment = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={self.address.split(':')[1]}",
            f"--num-cpus={self._cpus}", "--include-dashboard=false", f"--temp-dir={self._folder}",
            "--disable-usage-stats",
        ]  # fmt: skip
        for attempt in range(5):
            # Ray gives its head half a minute, which a busy machine may need for more; what is left of it is ended.
            last = subprocess.run(command, check=False, capture_output=True, env={**os.environ, **self.environment})
            if last.returncode == 0:
                return
            self.kill()
            time.sleep(attempt)
        raise AssertionError(last.stderr.decode())

    def kill(self) -> None:
        """Kill all of it at once: its processes have the folder in their arguments, or a parent that has."""
        for pid in [*self.workers(), *self._own()]:
            kill_process(pid)

    def workers(self) -> list[int]:
        """Return the processes that evaluate a trial now."""
        own = set(self._own())
        return [pid for pid in _processes("ray::run_step") if _parent(pid) in own]

    def _own(self) -> list[int]:
        return [pid for pid in _processes(str(self._folder)) if pid != os.getpid()]


def _processes(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
