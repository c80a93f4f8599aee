"""Train designs with and without each technique and print one row a run: the table of docs/accuracy.md.

    python benchmarks/accuracy.py --data digits [--depth 8] [--width 16] [--resolution 32] [--epochs 30]
        [--real-epochs 15] [--seeds 2] [--only NAME ...] [--threads 1] [--keep FILE.json] [--json FILE]

Every row is trained on the training split and measured once on the test split, as a float network and as its integer
program. With --keep, finished runs are kept in a file and not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from fracdse.design import Design, NetworkChoices
from fracdse.network import export_parameters
from fracdse.program import Executor, lower
from fracdse.training import Recipe, evaluate, train
from fracdse.training.checkpoint import run_name
from fracdse.training.data import Dataset, load_dataset, subsample, train_validation_split
from fracdse.training.gate_statistics import open_share
from fracdse.training.phases import teacher_phases
from fracdse.training.run import TrainingRun
from fracdse.training.threads import limited_threads

CALIBRATION_IMAGES = 500
# Row: what changes in the network, what changes in the recipe.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "float twin": ({}, {}),
    "FracBNN": ({}, {}),
    "SI width 4": ({"si_width": 4}, {}),
    "SI width 8": ({"si_width": 8}, {}),
    "attention distillation": ({}, {"block_loss": "attention"}),
    "l2 distillation": ({}, {"block_loss": "l2"}),
    "logit distillation": ({}, {"logit_weight": 1.0}),
    "SI width 4, attention": ({"si_width": 4}, {"block_loss": "attention"}),
    "SI width 8, attention": ({"si_width": 8}, {"block_loss": "attention"}),
    "Elastic-Link": ({"elastic_link": True}, {}),
    "powers of two": ({"power_of_two": True}, {}),
    "8-bit clip": ({"clip_bits": 8}, {}),
    "BN-free": ({"batch_norm": False}, {}),
    "codebook, 6 bits": ({"codebook_bits": 6}, {}),
    "4-bit shortcuts": ({"shortcut_bits": 4}, {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--resolution", type=int, default=8)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--real-epochs", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--schedule", choices=["steps", "linear"], default="steps")
    parser.add_argument("--thresholds", choices=["paper", "target"], default="paper")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(ROWS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    train_set = subsample(load_dataset(options.data, "train"), options.samples, 0)
    test_set = load_dataset(options.data, "test")
    kept: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep and options.keep.is_file() else {}
    wanted = [f"{name} / {seed}" for name in (options.only or ROWS) for seed in range(options.seeds)]
    for entry in wanted:
        if entry not in kept:
            name, seed = entry.split(" / ")
            kept[entry] = run_row(name, int(seed), options, train_set, test_set)
            print(entry, kept[entry], flush=True)
            if options.keep:
                options.keep.write_text(json.dumps(kept))
    rows = summarise(kept, options)
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def run_row(name: str, seed: int, options: argparse.Namespace, train_set: Dataset, test_set: Dataset) -> dict[str, Any]:
    choices, changes = ROWS[name]
    network = NetworkChoices(
        depth=options.depth, width=options.width, thermometer_resolution=options.resolution, **choices
    )
    design = Design(train_set.image_format, network)
    recipe = Recipe(
        epochs=options.epochs,
        real_epochs=options.real_epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        schedule=options.schedule,
        threshold_start=options.thresholds,
        **changes,
    )
    learned_from, held_out = train_validation_split(train_set, recipe.validation, 0)
    start = time.process_time()
    if name == "float twin":
        return float_row(design, recipe, seed, options, learned_from, test_set)
    trained = train(design, learned_from, held_out, recipe, seed=seed, threads=options.threads).network
    seconds = time.process_time() - start
    measured = evaluate(trained, test_set)
    program = lower(export_parameters(trained), learned_from.images[:CALIBRATION_IMAGES])
    predictions = Executor(program, threads=options.threads).run(test_set.images).predictions
    return {
        "float": measured.accuracy,
        "integer": float((predictions == test_set.labels).mean()),
        "open": open_share(measured.gates, design) if measured.gates else None,
        "cpu_seconds": seconds,
    }


def float_row(
    design: Design, recipe: Recipe, seed: int, options: argparse.Namespace, train_set: Dataset, test_set: Dataset
) -> dict[str, Any]:
    start = time.process_time()
    run = TrainingRun(
        design, train_set, recipe, teacher_phases(recipe), seed, run_name(design, recipe, train_set, seed)
    )
    with limited_threads(options.threads):
        while not run.done:
            run.train_epoch(None)
        accuracy = evaluate(run.network, test_set).accuracy
    return {"float": accuracy, "integer": None, "open": None, "cpu_seconds": time.process_time() - start}


def summarise(kept: dict[str, Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for name in options.only or ROWS:
        runs = [kept[f"{name} / {seed}"] for seed in range(options.seeds)]
        row: dict[str, Any] = {"row": name, "seeds": len(runs)}
        for key in ("float", "integer", "open", "cpu_seconds"):
            values = [run[key] for run in runs if run[key] is not None]
            row[key] = float(np.mean(values)) if values else None
        row["float_spread"] = float(np.ptp([run["float"] for run in runs]))
        rows.append(row)
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'run':26} {'seeds':>5} {'float %':>8} {'spread':>7} {'integer %':>10} {'open %':>7} {'CPU s':>6}")
    for row in rows:
        integer = "" if row["integer"] is None else f"{100 * row['integer']:.2f}"
        opened = "" if row["open"] is None else f"{100 * row['open']:.1f}"
        print(
            f"{row['row']:26} {row['seeds']:5} {100 * row['float']:8.2f} {100 * row['float_spread']:7.2f} "
            f"{integer:>10} {opened:>7} {row['cpu_seconds']:6.0f}"
        )


if __name__ == "__main__":
    main()
