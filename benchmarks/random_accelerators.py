"""Simulate the accelerators of ten small random networks, and count logits that are not the integer program's.

    python benchmarks/random_accelerators.py [--images 1000] [--only NAME] [--seed 1] [--synthesise] [--json FILE]

Together the networks use every option of the search space that changes the hardware. Weights are random, batch norms
have seen a few batches of noise, images are noise; the folding is solved as `fracdse deploy` solves it. Every network
runs all images back to back, and 100 each with random pauses on both ends and after a reset in the middle of a frame.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fracdse.accelerator.emit import to_rtlil
from fracdse.build.simulation import SimulationOptions, simulate
from fracdse.build.synthesis import synthesise
from fracdse.build.verilog import to_verilog
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.folding import lanes_text
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve
from fracdse.network import build_network, export_parameters
from fracdse.program import Executor, Program, lower
from fracdse.system import TOP_MODULE

IMAGE = ImageFormat(8, 8, 3, 10)
CALIBRATION_IMAGES = 256
STRESS_IMAGES = 100
RUNS = {
    "back to back": SimulationOptions(),
    "pauses": SimulationOptions(pause_in=0.3, pause_out=0.3, seed=5),
    "reset": SimulationOptions(reset_after_words=11),
}


@dataclass(frozen=True)
class Case:
    """Choices that differ from a residual network of depth 8 and width 8 at resolution 32."""

    network: dict[str, Any] = field(default_factory=dict)
    accelerator: dict[str, Any] = field(default_factory=dict)

    def design(self) -> Design:
        """Return the whole design."""
        network = {"depth": 8, "width": 8, "thermometer_resolution": 32} | self.network
        return Design(IMAGE, NetworkChoices(**network), AcceleratorChoices(**self.accelerator))


CASES = {
    "plain": Case(),
    "popcount": Case({"thermometer_resolution": 64}, {"input_layer": "popcount", "weight_memory": "lutram"}),
    "sliced": Case({}, {"folding": "smallest at fps", "fps": 60_000.0}),
    "narrow words": Case({}, {"feature_bits": 16, "constant_bits": 14, "weight_memory": "bram"}),
    "SI depthwise": Case({"si_width": 2}),
    "SI full": Case({"si_width": 3, "si_interaction": "full", "si_bits": 6}, {"weight_memory": "mixed"}),
    "short shortcut": Case({"shortcut_bits": 4}),
    "link and clip": Case({"elastic_link": True, "clip_bits": 6}),
    "powers of two": Case({"power_of_two": True}),
    "powers of two, more": Case({"power_of_two": True, "shortcut_bits": 2, "si_width": 2, "batch_norm": False}),
}


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, IMAGE.height, IMAGE.width, IMAGE.colours), np.uint8)


def random_program(design: Design, seed: int) -> Program:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = build_network(design)
    for _ in range(20):
        network(torch.from_numpy(noise(rng, 32)).permute(0, 3, 1, 2))
    return lower(export_parameters(network.eval()), noise(rng, CALIBRATION_IMAGES))


def measure(case: Case, seed: int, count: int, *, synthesised: bool) -> dict[str, Any]:
    design = case.design()
    program = random_program(design, seed)
    images = noise(np.random.default_rng(seed + 1), count)
    expected = Executor(program).run(images)
    folding = solve(design, expected.gates, load_device(design.device))
    started = time.perf_counter()
    rtlil = to_rtlil(program, folding, seed)
    verilog = to_verilog(rtlil)
    wrong = {}
    compared = cycles = 0
    for what, options in RUNS.items():
        some = images if options == SimulationOptions() else images[:STRESS_IMAGES]
        result = simulate(
            verilog, some, top=TOP_MODULE, classes=IMAGE.classes, gated_layers=len(program.convs), options=options
        )
        wrong[what] = int(np.count_nonzero(result.logits != expected.logits[: len(some)]))
        compared += result.logits.size
        cycles = cycles or round(result.cycles_per_frame)
    gates = [layer.open_fraction for layer in expected.gates.layers]
    resources = synthesise(rtlil, TOP_MODULE).to_dict()["totals"] if synthesised else None
    return {
        "lanes": " ".join(lanes_text(layer.lanes, layer.slices) for layer in folding.convs),
        "gates open": float(np.mean(gates)),
        "different logits": len(np.unique(expected.logits)),
        "cycles": cycles,
        "logits": compared,
        "wrong": wrong,
        "resources": resources,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--only", choices=list(CASES), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synthesise", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    print(
        f"{'network':<22}{'lanes':<24}{'gates':>7}{'cycles':>9}{'logits':>9}{'wrong: ' + ', '.join(RUNS):>36}{'s':>7}"
    )
    for name in arguments.only or CASES:
        found[name] = row = measure(CASES[name], arguments.seed, arguments.images, synthesised=arguments.synthesise)
        wrong = ", ".join(map(str, row["wrong"].values()))
        print(
            f"{name:<22}{row['lanes']:<24}{row['gates open']:>7.1%}{row['cycles']:>9,.0f}{row['logits']:>9,}"
            f"{wrong:>36}{row['seconds']:>7.0f}",
            flush=True,
        )
        if row["resources"]:
            print("    " + ", ".join(f"{value:,} {what}" for what, value in row["resources"].items()), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1))
    print(f"wrong logits in all: {sum(sum(row['wrong'].values()) for row in found.values())}")


if __name__ == "__main__":
    main()
