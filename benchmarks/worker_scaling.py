"""Measure what workers gain: trials a minute with one and with two of them, at one thread each, and how long they idle.

Run `python benchmarks/worker_scaling.py [--trials 24] [--json FILE]` on an otherwise idle machine. Where it is not
idle, trials a minute say little, but the busy share still holds: it is the part of a worker's life in which it computed
or waited for a core, by the kernel's own count, rather than for a lock, a disk or another worker.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.05


def search(workers: int, trials: int, changes: list[str]) -> dict[str, Any]:
    """Run a search in a folder of its own and return its wall seconds, rate, and the busy share of each worker."""
    command = [sys.executable, "-m", "fracdse", "search", "digits", "--trials", str(trials), "--workers", str(workers)]
    command += [part for change in changes for part in ("--set", change)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(workers)}
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--quiet"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        lives: dict[int, list[tuple[float, float]]] = {}
        while process.poll() is None:
            for child in children(process.pid) if workers > 1 else [process.pid]:
                needed = needed_seconds(child)
                if needed is not None:
                    lives.setdefault(child, []).append((time.perf_counter(), needed))
            time.sleep(POLL_SECONDS)
        wall = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    # What lives for less than a second is no worker but something that one of them started.
    spans = [(seen[0], seen[-1]) for seen in lives.values() if seen[-1][0] - seen[0][0] > 1]
    busy = [(last[1] - first[1]) / (last[0] - first[0]) for first, last in spans]
    return {
        "wall_s": round(wall, 1),
        "trials_a_minute": round(60 * trials / wall, 1),
        "busy": [round(b, 3) for b in busy],
    }


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def needed_seconds(pid: int) -> float | None:
    """Return how long a process has computed or waited for a core; None where it is gone."""
    try:
        computed, waited = Path(f"/proc/{pid}/schedstat").read_text().split()[:2]
    except OSError:
        return None
    return (int(computed) + int(waited)) / 1e9


def main() -> None:
    """Run the command on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--set", action="append", default=[], dest="changes", help="override a key of the space")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = {str(workers): search(workers, options.trials, options.changes) for workers in (1, 2)}
    ratio = result["1"]["wall_s"] / result["2"]["wall_s"]
    for workers, found in result.items():
        print(
            f"{workers} workers: {found['wall_s']} s, {found['trials_a_minute']} trials a minute, busy {found['busy']}"
        )
    print(f"{ratio:.2f} times the trials a minute with two workers (load {os.getloadavg()[0]:.1f})")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
