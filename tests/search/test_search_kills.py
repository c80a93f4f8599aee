"""Kill the driver or a worker at random moments, over and over; every trial must be accounted for, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fracdse.errors import StudyError
from fracdse.search.checking import check_study
from fracdse.search.study import open_study

KILLS = 30
TRIALS = 40
SEARCH = [sys.executable, "-m", "fracdse", "search"]
SPACE = ["--set", "proxy.epochs=6", "--set", "data.samples=300", "--set", "network.depth=8", "--sampler", "random"]


def finished(name: str) -> dict[int, tuple[str, float | None]]:
    records = open_study(name).records()
    return {r.number: (r.state, r.accuracy) for r in records if r.state not in ("waiting", "running")}


def children(process: subprocess.Popen[bytes]) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except OSError:
        return []


def _wait_for_progress(process: subprocess.Popen[bytes]) -> None:
    """Wait until the journal grows or the search ends, so that kills hit a search at work, not one that starts."""
    journal = Path("results/hunted/journal.log")
    before = journal.stat().st_size if journal.exists() else 0
    while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
        time.sleep(0.02)


@pytest.mark.slow
def test_thirty_kills_lose_nothing_and_double_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    dice = random.Random(1)
    run = ["--study", "hunted", "--trials", str(TRIALS), "--workers", "2", *SPACE]
    known: dict[int, tuple[str, float | None]] = {}
    kills, process = 0, subprocess.Popen([*SEARCH, *run], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while kills < KILLS:
        _wait_for_progress(process)
        time.sleep(dice.uniform(0.0, 2.0))
        if process.poll() is not None:
            try:
                if len(finished("hunted")) == TRIALS:
                    break
            except StudyError:
                pass
        else:
            workers = children(process)
            if workers and dice.random() < 0.7:
                subprocess.run(["kill", "-KILL", str(dice.choice(workers))], check=False, stderr=subprocess.DEVNULL)
                kills += 1
                continue
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        try:
            now = finished("hunted")
            resume = ["--resume", *run]
        except StudyError:
            now, resume = {}, run
        assert known.items() <= now.items(), "a finished trial was lost or changed"
        known = now
        process = subprocess.Popen([*SEARCH, *resume], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while True:
        # Workers die with their driver, but the kernel may need a moment to let their lock go.
        last = subprocess.run([*SEARCH, "--resume", *run], check=False, capture_output=True, text=True)
        if "another process" not in last.stderr:
            break
    assert last.returncode == 0, last.stderr
    now = finished("hunted")
    assert known.items() <= now.items()
    assert len(now) == TRIALS
    assert {state for state, _ in now.values()} <= {"complete", "failed"}
    assert sum(state == "complete" for state, _ in now.values()) >= TRIALS - kills
    assert check_study(Path("results/hunted")) == []
    print(f"{kills} kills; {len(now)} trials; {sum(state == 'failed' for state, _ in now.values())} failed twice")
