"""Compare the gates of proxies with those of the same networks trained in full, by the cycles they make.

    python benchmarks/proxy_gates.py results/digits --data digits [--trials 0 1 2 3 5 9 13 15] [--json FILE]

Each trial of the study is trained in full by the study's recipe, and the folding that was solved for its proxy's gates
is counted with both.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fracdse.hardware.folding import solve
from fracdse.hardware.totals import network_totals
from fracdse.network import export_parameters
from fracdse.program import Executor, lower
from fracdse.search.study import open_study
from fracdse.training import Recipe, train
from fracdse.training.data import load_dataset

CALIBRATION_IMAGES = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--trials", type=int, nargs="+", default=[0, 1, 2, 3, 5, 9, 13, 15])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    study = open_study(options.study)
    train_set, test_set = load_dataset(options.data, "train"), load_dataset(options.data, "test")
    recipe = Recipe(
        real_epochs=5, epochs=15, batch_size=64, learning_rate=5e-3, schedule="linear", threshold_start="target"
    )
    rows = []
    print(f"{'trial':>5} {'design':26} {'open, proxy':>12} {'in full':>8} {'cycles, proxy':>14} {'in full':>8}")
    for number in options.trials:
        record = study.record(number)
        if record.gates is None:
            continue
        design, folding = record.design, solve(record.design, record.gates)
        network = train(design, train_set, test_set, recipe, seed=0, threads=options.threads).network
        calibration = train_set.images[:CALIBRATION_IMAGES]
        gates = Executor(lower(export_parameters(network), calibration)).run(calibration).gates
        cycles = [network_totals(design, folding, each).cycles for each in (record.gates, gates)]
        rows.append({"trial": number, "design": design.key, "proxy_cycles": cycles[0], "full_cycles": cycles[1]})
        print(
            f"{number:5} {design.key:26} {record.gates.open_fraction:12.1%} {gates.open_fraction:8.1%} "
            f"{cycles[0]:14,.0f} {cycles[1]:8,.0f} {cycles[0] / cycles[1] - 1:+.1%}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
