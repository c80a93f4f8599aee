"""Train designs with and without each technique and print one row a run: the table of docs/accuracy.md.

    python benchmarks/accuracy.py --data digits [--device auto] [--together 1] [--depth 8] [--width 16]
        [--resolution 32] [--epochs 30] [--real-epochs 15] [--teacher-epochs 0] [--teacher FOLDER] [--seeds 2]
        [--only NAME ...] [--threads 1] [--networks FOLDER] [--no-integer] [--json FILE]

Every row is trained on the whole training split, for a number of epochs that is fixed beforehand, and measured once on
the test split, as a float network and as its integer program. Distilled rows share one teacher: the float twin trained
for --teacher-epochs, or the trained network in the folder --teacher. --together rows train at a time, which fills a
GPU. With --networks, trained networks are kept in a folder and not trained again; a later run without --no-integer adds
what their integer programs do.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fracdse.design import Design, NetworkChoices
from fracdse.network import FractionalNetwork, export_parameters, load_network, save_network
from fracdse.program import Executor, lower
from fracdse.training import Recipe, evaluate
from fracdse.training.checkpoint import run_name
from fracdse.training.data import Dataset, load_dataset, subsample
from fracdse.training.device import computing_device
from fracdse.training.gate_statistics import open_share
from fracdse.training.phases import phases_of, teacher_phases
from fracdse.training.run import TrainingRun
from fracdse.training.teacher import teacher_for
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
    "SI width 4, attention and logits": ({"si_width": 4}, {"block_loss": "attention", "logit_weight": 1.0}),
    "Elastic-Link": ({"elastic_link": True}, {}),
    "powers of two": ({"power_of_two": True}, {}),
    "8-bit clip": ({"clip_bits": 8}, {}),
    "BN-free": ({"batch_norm": False}, {}),
    "codebook, 6 bits": ({"codebook_bits": 6}, {}),
    "4-bit shortcuts": ({"shortcut_bits": 4}, {}),
}


@dataclass(frozen=True)
class Setting:
    """What all rows have in common."""

    train_set: Dataset
    test_set: Dataset
    network: dict[str, Any]
    recipe: dict[str, Any]
    networks: Path | None
    integer: bool
    device: torch.device


_one_teacher_at_a_time = threading.Lock()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--resolution", type=int, default=8)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--real-epochs", type=int, default=250)
    parser.add_argument("--teacher-epochs", type=int, default=0)
    parser.add_argument("--teacher", default="")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--schedule", choices=["steps", "linear"], default="steps")
    parser.add_argument("--thresholds", choices=["paper", "target"], default="paper")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(ROWS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", type=Path)
    parser.add_argument("--no-integer", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    setting = Setting(
        subsample(load_dataset(options.data, "train"), options.samples, 0),
        load_dataset(options.data, "test"),
        {"depth": options.depth, "width": options.width, "thermometer_resolution": options.resolution},
        {
            "epochs": options.epochs,
            "real_epochs": options.real_epochs,
            "teacher_epochs": options.teacher_epochs,
            "teacher": options.teacher,
            "batch_size": options.batch_size,
            "learning_rate": options.learning_rate,
            "schedule": options.schedule,
            "threshold_start": options.thresholds,
        },
        options.networks,
        not options.no_integer,
        computing_device(options.device),
    )
    names = options.only or list(ROWS)
    with limited_threads(options.threads), ThreadPoolExecutor(options.together) as pool:
        runs = {name: [pool.submit(run_row, name, seed, setting) for seed in range(options.seeds)] for name in names}
        rows = [summarise(name, [run.result() for run in runs[name]]) for name in names]
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def run_row(name: str, seed: int, setting: Setting) -> dict[str, Any]:
    """Train a row, unless its network is kept, and measure it."""
    choices, changes = ROWS[name]
    design = Design(setting.train_set.image_format, NetworkChoices(**setting.network, **choices))
    recipe = Recipe(**setting.recipe, **changes)
    start = time.perf_counter()
    folder = setting.networks / f"{name} {seed}".replace(" ", "-").replace(",", "") if setting.networks else None
    if folder is not None and folder.is_dir():
        network = load_network(folder).to(setting.device)
    else:
        network = train_row(name, design, recipe, seed, setting)
        if folder is not None:
            save_network(folder, network, {"recipe": recipe.to_dict(), "seed": seed, "row": name})
    seconds = time.perf_counter() - start
    measured = evaluate(network, setting.test_set)
    row: dict[str, Any] = {"float": measured.accuracy, "integer": None, "open": None, "seconds": seconds}
    if measured.gates is not None:
        row["open"] = open_share(measured.gates, design)
    if setting.integer and name != "float twin":
        program = lower(export_parameters(network), setting.train_set.images[:CALIBRATION_IMAGES])
        predictions = Executor(program, threads=torch.get_num_threads()).run(setting.test_set.images).predictions
        row["integer"] = float((predictions == setting.test_set.labels).mean())
    print(f"{name} / {seed}: {row}", flush=True)
    return row


def train_row(name: str, design: Design, recipe: Recipe, seed: int, setting: Setting) -> FractionalNetwork:
    train_set, device = setting.train_set, setting.device
    cache = setting.networks / "teachers" if setting.networks else None
    with _one_teacher_at_a_time:
        teacher = teacher_for(design, train_set, recipe, seed, cache, None, device)
    phases = teacher_phases(recipe) if name == "float twin" else phases_of(recipe)
    run = TrainingRun(
        design, train_set, recipe, phases, seed, run_name(design, recipe, train_set, seed), teacher, device
    )
    while not run.done:
        run.train_epoch(None)
    return run.network


def summarise(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"row": name, "seeds": len(runs)}
    for key in ("float", "integer", "open", "seconds"):
        values = [run[key] for run in runs if run[key] is not None]
        row[key] = float(np.mean(values)) if values else None
    row["float_spread"] = float(np.ptp([run["float"] for run in runs]))
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'run':26} {'seeds':>5} {'float %':>8} {'spread':>7} {'integer %':>10} {'open %':>7} {'seconds':>8}")
    for row in rows:
        integer = "" if row["integer"] is None else f"{100 * row['integer']:.2f}"
        opened = "" if row["open"] is None else f"{100 * row['open']:.1f}"
        print(
            f"{row['row']:26} {row['seeds']:5} {100 * row['float']:8.2f} {100 * row['float_spread']:7.2f} "
            f"{integer:>10} {opened:>7} {row['seconds']:8.0f}"
        )


if __name__ == "__main__":
    main()
