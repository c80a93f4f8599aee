"""Show how well short proxies rank designs against long training: Kendall's τ with its bootstrap interval.

    python benchmarks/proxy_fidelity.py --data FOLDER [--device auto] [--samples 8000] [--epochs 8]
        [--proxies 500x1 1000x2 2000x2] [--designs 12] [--threads 1] [--keep FILE.json] [--json FILE]

Each of the designs below is trained long (`--epochs` epochs on `--samples` images) and as every proxy SAMPLESxEPOCHS,
and measured on the same held-out images. With --keep, finished trainings are kept in a file and not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.training import proxy_recipe, train_proxy
from fracdse.training.data import Dataset, load_dataset, subsample

VALIDATION_IMAGES = 2000
# depth, width, thermometer resolution, gate threshold, SI width: from small to large, each field at several values.
CHOICES = (
    (8, 4, 64, 3.0, 0),
    (8, 4, 16, -1.0, 2),
    (8, 8, 64, 3.0, 0),
    (8, 8, 16, 1.0, 4),
    (8, 12, 32, 3.0, 0),
    (8, 16, 8, 1.0, 2),
    (14, 4, 32, 1.0, 0),
    (14, 8, 16, 3.0, 0),
    (14, 8, 64, -1.0, 4),
    (14, 12, 8, 3.0, 2),
    (20, 4, 16, 3.0, 0),
    (20, 8, 32, 1.0, 0),
    (14, 16, 32, 3.0, 0),
    (20, 12, 16, 3.0, 4),
    (20, 16, 8, 3.0, 0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--proxies", nargs="+", default=["500x1", "1000x2", "2000x2", "2000x4"])
    parser.add_argument("--designs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=5e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    dataset = subsample(load_dataset(options.data, "train"), options.samples + VALIDATION_IMAGES, 0)
    designs = [design_of(choice, dataset.image_format) for choice in CHOICES[: options.designs]]
    kept: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep and options.keep.is_file() else {}
    runs = [f"{options.samples}x{options.epochs}", *options.proxies]
    for run in reversed(runs):
        for design in designs:
            name = f"{run} {options.batch_size} {options.learning_rate} {design.key}"
            if name not in kept:
                kept[name] = train_once(design, dataset, run, options)
                print(f"{name}: {kept[name]['accuracy']:.3f} in {kept[name]['seconds']:.0f} s", flush=True)
                if options.keep:
                    options.keep.write_text(json.dumps(kept))
    table = {
        run: [kept[f"{run} {options.batch_size} {options.learning_rate} {design.key}"] for design in designs]
        for run in runs
    }
    result = summarise(table, runs)
    print_table(result, designs, table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def design_of(choice: tuple[int, int, int, float, int], image: ImageFormat) -> Design:
    depth, width, resolution, threshold, si_width = choice
    network = NetworkChoices(
        depth=depth, width=width, thermometer_resolution=resolution, gate_threshold=threshold, si_width=si_width
    )
    return Design(image, network)


def train_once(design: Design, dataset: Dataset, run: str, options: argparse.Namespace) -> dict[str, float]:
    samples, epochs = map(int, run.split("x"))
    recipe = proxy_recipe(
        {
            "samples": samples,
            "epochs": epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.learning_rate,
            "validation": VALIDATION_IMAGES / len(dataset),
        }
    )
    start = time.process_time()
    result = train_proxy(design, dataset, recipe, seed=0, threads=options.threads, device=options.device)
    return {"accuracy": result.accuracy, "seconds": time.process_time() - start, "passes": samples * epochs}


def summarise(table: dict[str, list[dict[str, float]]], runs: list[str]) -> dict[str, Any]:
    """Return τ, its 90 % bootstrap interval over designs, and the cost relative to long training, a proxy each."""
    long = np.array([entry["accuracy"] for entry in table[runs[0]]])
    generator = np.random.default_rng(0)
    rows = []
    for run in runs[1:]:
        short = np.array([entry["accuracy"] for entry in table[run]])
        draws = [generator.integers(0, len(long), len(long)) for _ in range(2000)]
        taus = [kendalltau(long[draw], short[draw]).statistic for draw in draws if len(set(draw)) > 2]
        low, high = np.nanquantile(taus, [0.05, 0.95])
        cost = table[run][0]["passes"] / table[runs[0]][0]["passes"]
        tau = float(kendalltau(long, short).statistic)
        rows.append({"proxy": run, "tau": tau, "tau_low": low, "tau_high": high, "cost": cost})
    return {"long": runs[0], "designs": len(long), "proxies": rows}


def print_table(result: dict[str, Any], designs: list[Design], table: dict[str, list[dict[str, float]]]) -> None:
    runs = list(table)
    print("design".ljust(18) + "".join(f"{run:>12}" for run in runs))
    for index, design in enumerate(designs):
        print(design.key.ljust(18) + "".join(f"{table[run][index]['accuracy']:12.3f}" for run in runs))
    print(f"\n{result['designs']} designs against {result['long']} (images x epochs)")
    print(f"{'proxy':>10} {'cost':>7} {'tau':>6}  90 % interval")
    for row in result["proxies"]:
        print(f"{row['proxy']:>10} {row['cost']:7.1%} {row['tau']:6.2f}  {row['tau_low']:.2f} to {row['tau_high']:.2f}")


if __name__ == "__main__":
    main()
