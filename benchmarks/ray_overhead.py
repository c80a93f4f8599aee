"""What a trial costs beside its training: here, and as a task of a Ray cluster on this machine.

The designs are ones that no constraint admits, so that nothing is trained and what is left is asking, travelling,
estimating and telling.

    python benchmarks/ray_overhead.py --trials 60 --json results/ray-overhead.json
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from fracdse.ray_cluster import RayShares
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.loop import Budget
from fracdse.search.problem import load_data
from fracdse.search.study import create_study
from fracdse.space import load_space

_SPACE = ("network.width=[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]", "constraints.lut='<= 0.0001'")


class _Stamps:
    """Hears when trials end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def started(self, number: int, design: object) -> None:
        pass

    def finished(self, record: object) -> None:
        self.ends.append(time.perf_counter())

    def dropped(self, number: int) -> None:
        pass


def milliseconds_a_trial(name: str, trials: int, ray: RayShares | None) -> float:
    """Run a study and return the mean time between the ends of its trials, the first few left out."""
    space = load_space("digits", _SPACE)
    study, data, stamps = create_study(name, space), load_data(space), _Stamps()
    check_data(study, data)
    drive(study, data, Plan("random", Budget(trials), ray=ray), stamps)
    kept = stamps.ends[5:]
    return 1000 * (kept[-1] - kept[0]) / (len(kept) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    target = options.json.resolve() if options.json else None
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        here = milliseconds_a_trial("here", options.trials, None)
        there = milliseconds_a_trial("there", options.trials, RayShares())
        os.chdir("/")
    print(f"{'in this process':<28}{here:8.1f} ms a trial")
    print(f"{'as a Ray task':<28}{there:8.1f} ms a trial")
    print(f"{'difference':<28}{there - here:8.1f} ms a trial")
    if target:
        target.write_text(json.dumps({"trials": options.trials, "here_ms": here, "ray_ms": there}, indent=2) + "\n")


if __name__ == "__main__":
    main()
