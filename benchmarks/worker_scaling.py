"""Measure what a second worker gains, and how much of what the machine itself gives to two processes that is.

Run `python benchmarks/worker_scaling.py [--trials 24] [--json FILE]`. Three times the same designs are trained,
proposed at random by one seed, at one thread each:

* alone: one worker;
* together: two workers on one study;
* apart: two searches of one worker each at the same time, in folders of their own. They share nothing but the machine,
  so what they gain over one alone is what its second core gives: less than 2 where cores share caches or clock.

For each it gives trials a minute of the whole command, with its start and its last trials, and in the steady state:
from when every worker is at its first trial to when the first worker has nothing left to do, a trial counted by the
part of it that falls in there. The busy share is the part of a worker's life in which it computed or waited for a core,
by the kernel's own count, rather than for a lock, a disk or another worker. Processor seconds a trial, start-up and
driver included, hardly depend on what else the machine does: what two workers need more of them than two searches
apart is their own; what both need more than one alone is the machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from fracdse.search.study import open_study
from fracdse.search.trial_facts import START, VOID

POLL_SECONDS = 0.05
STUDY = "scaling"


@dataclass(frozen=True)
class Measured:
    """What searches at the same time took; `driver_cpu_s` is the processor time of drivers that are not workers."""

    wall_s: float
    trials_a_minute: float
    steady_trials_a_minute: float
    start_s: float
    busy: list[float]
    cpu_s_a_trial: float
    driver_cpu_s: float


class Search:
    """A search under way in a folder of its own."""

    def __init__(self, folder: Path, workers: int, trials: int, changes: Sequence[str]) -> None:
        command = [sys.executable, "-m", "fracdse", "search", "digits", "--quiet", "--study", STUDY]
        command += ["--trials", str(trials), "--workers", str(workers), "--sampler", "random"]
        command += [part for change in ("search.skip_hopeless=false", *changes) for part in ("--set", change)]
        self.folder, self._workers = folder, workers
        self._lives: dict[int, list[tuple[float, float, float]]] = {}
        self._driver_cpu = 0.0
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": str(workers)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def look(self) -> bool:
        """Note what its processes have needed so far; return whether it is at work."""
        if self._process.poll() is not None:
            return False
        for worker in children(self._process.pid) if self._workers > 1 else [self._process.pid]:
            needed = needed_seconds(worker)
            if needed is not None:
                self._lives.setdefault(worker, []).append((time.perf_counter(), *needed))
        own = needed_seconds(self._process.pid) if self._workers > 1 else None
        self._driver_cpu = self._driver_cpu if own is None else own[0]
        return True

    def end(self) -> tuple[list[float], float, float]:
        """Return the busy share of each worker, the processor seconds of all of them, and those of a driver beside."""
        said = self._process.communicate()[1].decode()
        if self._process.returncode:
            raise SystemExit(said)
        # What lives for less than a second is no worker but something that one of them started.
        spans = [(seen[0], seen[-1]) for seen in self._lives.values() if seen[-1][0] - seen[0][0] > 1]
        busy = [(sum(last[1:]) - sum(first[1:])) / (last[0] - first[0]) for first, last in spans]
        return busy, sum(last[1] for _, last in spans), self._driver_cpu

    def trainings(self) -> list[FrozenTrial]:
        """Return the trials that were trained."""
        trials = open_study(self.folder / "results" / STUDY).optuna_study.get_trials(deepcopy=False)
        begun = [trial for trial in trials if START in trial.user_attrs and VOID not in trial.user_attrs]
        return [trial for trial in begun if not trial.user_attrs[START].get("refused")]


def measure(searches: int, workers: int, trials: int, changes: Sequence[str]) -> Measured:
    """Run searches at the same time, each in a folder of its own."""
    with tempfile.TemporaryDirectory() as parent:
        folders = [Path(parent) / str(index) for index in range(searches)]
        for folder in folders:
            folder.mkdir()
        begin, began_at = time.perf_counter(), datetime.now()
        running = [Search(folder, workers, trials, changes) for folder in folders]
        while sum(search.look() for search in running):  # Each is looked at, which `any` would not do.
            time.sleep(POLL_SECONDS)
        wall = time.perf_counter() - begin
        ends = [search.end() for search in running]
        crews = [crew for search in running for crew in by_worker(search.trainings())]
    count = sum(map(len, crews))
    first = min(trial.datetime_start for crew in crews for trial in crew if trial.datetime_start)
    return Measured(
        wall_s=round(wall, 1),
        trials_a_minute=round(60 * count / wall, 2),
        steady_trials_a_minute=round(60 * steady_rate(crews), 2),
        start_s=round((first - began_at).total_seconds(), 1),
        busy=[round(share, 3) for busy, _, _ in ends for share in busy],
        cpu_s_a_trial=round(sum(cpu + driver for _, cpu, driver in ends) / count, 2),
        driver_cpu_s=round(sum(driver for _, _, driver in ends), 1),
    )


def by_worker(trials: Sequence[FrozenTrial]) -> list[list[FrozenTrial]]:
    """Return trials by the worker that ran them."""
    crews: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        crews.setdefault(trial.user_attrs[START]["owner"], []).append(trial)
    return list(crews.values())


def steady_rate(crews: Sequence[Sequence[FrozenTrial]]) -> float:
    """Return trials a second while all of `crews`, the trials of a worker each, were at work."""
    spans = [[_span(trial) for trial in crew] for crew in crews]
    begin = max(min(start for start, _ in crew) for crew in spans)
    end = min(max(stop for _, stop in crew) for crew in spans)
    parts = [max(0.0, min(stop, end) - max(start, begin)) / (stop - start) for crew in spans for start, stop in crew]
    return sum(parts) / (end - begin)


def _span(trial: FrozenTrial) -> tuple[float, float]:
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    return trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def needed_seconds(pid: int) -> tuple[float, float] | None:
    """Return how long a process has computed and waited for a core; None where it is gone."""
    try:
        computed, waited = Path(f"/proc/{pid}/schedstat").read_text().split()[:2]
    except OSError:
        return None
    return int(computed) / 1e9, int(waited) / 1e9


def main() -> None:
    """Run the command on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24, help="of each search (default: 24)")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="override a key of the space")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cases = {"one worker alone": (1, 1), "two workers together": (1, 2), "two searches apart": (2, 1)}
    found = {name: measure(*case, options.trials, options.changes) for name, case in cases.items()}
    print(f"{'':22}{'wall s':>8}{'start s':>9}{'a minute':>10}{'steady':>8}{'cpu s a trial':>15}  busy")
    for name, each in found.items():
        rates = f"{each.trials_a_minute:>10}{each.steady_trials_a_minute:>8}"
        print(f"{name:22}{each.wall_s:>8}{each.start_s:>9}{rates}{each.cpu_s_a_trial:>15}  {each.busy}")
    alone, together, apart = found.values()
    gains: dict[str, Any] = {
        "two workers gain": together.trials_a_minute / alone.trials_a_minute,
        "two workers gain, steady": together.steady_trials_a_minute / alone.steady_trials_a_minute,
        "the machine gives, steady": apart.steady_trials_a_minute / alone.steady_trials_a_minute,
        "of which workers get, steady": together.steady_trials_a_minute / apart.steady_trials_a_minute,
    }
    for name, gain in gains.items():
        print(f"{name:32}{gain:.2f}")
    print(f"{'processor seconds of the driver':32}{together.driver_cpu_s}")
    print(f"{'load of the machine at the end':32}{os.getloadavg()[0]:.1f}")
    if options.json:
        plain = {name: asdict(each) for name, each in found.items()} | {"gains": gains}
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
