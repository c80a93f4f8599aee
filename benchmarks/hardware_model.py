"""Measure the hardware model: one estimate, 100,000 estimates, the command as a process, and memory.

python benchmarks/hardware_model.py [--designs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from fracdse.design import AcceleratorChoices, Design, NetworkChoices
from fracdse.hardware.estimate import estimate, estimate_many
from fracdse.hardware.folding import solve

SPACE = """\
name = "one"
device = "ultra96v2"
[data]
name = "cifar10"
[network]
body = "resnet"
"""


def random_design(chance: random.Random) -> Design:
    network = NetworkChoices(
        depth=chance.choice([8, 14, 20]),
        width=chance.choice([8, 12, 16, 24]),
        thermometer_resolution=chance.choice([4, 8, 16, 32]),
        gate_threshold=chance.uniform(-1, 4),
        power_of_two=chance.random() < 0.5,
    )
    accelerator = AcceleratorChoices(
        clock_mhz=chance.choice([150.0, 200.0, 250.0]),
        feature_bits=chance.choice([12, 14, 16]),
        folding=chance.choice(["fastest that fits", "smallest at fps"]),
        fps=chance.uniform(100, 20_000),
    )
    return Design(network=network, accelerator=accelerator)


def best_of(rounds: int, action: object) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--designs", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    design = Design()
    start = time.perf_counter()
    estimate(design)
    cold = time.perf_counter() - start
    results = {
        "first estimate in a process, ms": 1e3 * cold,
        "an estimate known before, ms": 1e3 * best_of(50, lambda: estimate(replace(design))),
        "solving a folding, tables known, ms": 1e3 * best_of(20, lambda: solve(design)),
    }
    chance = random.Random(1)
    designs = [random_design(chance) for _ in range(options.designs)]
    start = time.perf_counter()
    figures = estimate_many(designs)
    results[f"{options.designs} designs at once, s"] = time.perf_counter() - start
    results["of them without a folding"] = float(sum(figure is None for figure in figures))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.toml"
        path.write_text(SPACE)
        command = [sys.executable, "-m", "fracdse.cli.main", "estimate", str(path)]
        runner = [sys.executable, "-c", "from fracdse.cli.main import main; main()", *command[3:]]
        results["fracdse estimate as a process, s"] = best_of(
            5, lambda: subprocess.run(runner, check=True, stdout=subprocess.DEVNULL)
        )
    results["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, value in results.items():
        print(f"{name:<42}{value:>12.2f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
