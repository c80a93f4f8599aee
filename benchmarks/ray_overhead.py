"""What a trial costs beside its training: here, and as a task of a Ray cluster on this machine.

Both train the same small designs one after the other at one thread, and what is left of the time from one end to the
next, training and hardware model taken off as the trials state them, is asking, travelling, storing and telling.

    python benchmarks/ray_overhead.py --trials 60 --json results/ray-overhead.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import ray

from fracdse.ray_cluster import RayShares
from fracdse.records import TrialRecord
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.loop import Budget
from fracdse.search.problem import load_data
from fracdse.search.study import create_study
from fracdse.space import load_space

_SPACE = (
    "data.samples=60", "proxy.epochs=1", "network.depth=8", "search.skip_hopeless=false",
    "network.width=[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]",
)  # fmt: skip
_NOT_COUNTED = 5  # The first trials load what the others find loaded.


class _Stamps:
    """Hears when trials end, and how long they computed."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.computed: list[float] = []

    def started(self, number: int, design: object) -> None:
        pass

    def finished(self, record: TrialRecord) -> None:
        self.ends.append(time.perf_counter())
        self.computed.append(sum(record.seconds.values()))

    def dropped(self, number: int) -> None:
        pass


def milliseconds_a_trial(trials: int, shares: RayShares | None) -> tuple[float, float]:
    """Run a study; return the median time from one end to the next, and of what of it was not computing."""
    space = load_space("digits", _SPACE)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        study, data, stamps = create_study("overhead", space), load_data(space), _Stamps()
        check_data(study, data)
        drive(study, data, Plan("random", Budget(trials), ray=shares), stamps)
    times = np.diff(stamps.ends)[_NOT_COUNTED:]
    return 1000 * float(np.median(times)), 1000 * float(np.median(times - stamps.computed[_NOT_COUNTED + 1 :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}  # Tasks get a core as easily as this process.
    found = {"in this process": milliseconds_a_trial(options.trials, None)}
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    found["as a Ray task"] = milliseconds_a_trial(options.trials, RayShares())
    print(f"{'ms a trial, medians':<22}{'in all':>8}{'beside computing':>18}")
    for name, (whole, beside) in found.items():
        print(f"{name:<22}{whole:>8.1f}{beside:>18.1f}")
    if options.json:
        plain = {name: {"whole_ms": whole, "beside_ms": beside} for name, (whole, beside) in found.items()}
        options.json.write_text(json.dumps({"trials": options.trials, **plain}, indent=2) + "\n")


if __name__ == "__main__":
    main()
