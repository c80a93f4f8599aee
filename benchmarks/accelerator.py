"""Generate, simulate and synthesise the accelerator of a network, beside the published FracBNN accelerator's figures.

    python benchmarks/accelerator.py DESIGN_DIR --data FOLDER [--images 100] [--lanes 8,4,2] [--skip-synthesis]
    python benchmarks/accelerator.py DESIGN_DIR --data FOLDER --fps 2807 --bram18 40 --words 18
    python benchmarks/accelerator.py DESIGN_DIR --data FOLDER --compact --words 10 --constants 12

DESIGN_DIR is a trained network, as `fracdse import fracbnn` or `fracdse train` write it. `--lanes` gives the lanes of
the three stages; without it the folding is solved for the device: the highest rate at `--lut-share` of its LUTs, or the
fewest LUTs at `--fps`, with as many blocks of RAM as `--bram18` says; `--compact` takes the compact architecture
instead, which has no folding. Channels are dealt to lanes by the gates measured
on images of the training set, except in layers that are computed unrolled, where nothing depends on them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fracdse.accelerator.dealing import deal_channels
from fracdse.accelerator.emit import to_rtlil
from fracdse.build.simulation import simulate
from fracdse.build.synthesis import synthesise
from fracdse.build.verilog import to_verilog
from fracdse.design import Design
from fracdse.folding import Folding, LayerFolding, Memory, lanes_text
from fracdse.hardware.devices import load_device
from fracdse.hardware.estimate import estimate
from fracdse.hardware.folding import solve
from fracdse.hardware.layers import layer_foldings
from fracdse.network import export_parameters, load_network
from fracdse.program import Executor, lower
from fracdse.system import TOP_MODULE
from fracdse.topology import GatedConvSpec, gated_convs
from fracdse.training.data import load_dataset

CALIBRATION_IMAGES = 512
ORDER_IMAGES = 64
# arXiv 2012.12206, tables 7 and 8; cycles are 250 MHz over 2,806.9 frames/s. The unit of its BRAM figure is uncertain.
PUBLISHED = {"cycles a frame": 89_066, "LUT": 51_444, "BRAM18": "212 or 424", "DSP": 126}


def stage_folding(design: Design, lanes: list[int]) -> Folding:
    """Return the folding with the given lanes a stage; weights in logic up to 8 steps, else in block RAM.

    Of block RAM's weights, a stride-1 layer keeps in LUTs what a LUT6 can compute (`mixed`).
    """
    specs = gated_convs(design)
    widths = sorted({spec.out_channels for spec in specs})
    by_width = dict(zip(widths, lanes, strict=True))

    def layer(spec: GatedConvSpec) -> LayerFolding:
        count = by_width[spec.out_channels]
        blocks: Memory = "bram" if spec.stride > 1 else "mixed"
        return LayerFolding(spec.name, count, "logic" if spec.out_channels // count <= 8 else blocks)

    convs = tuple(map(layer, specs))
    return Folding(LayerFolding("stem", lanes[0], "logic"), convs, LayerFolding("classifier", 1, "bram"))


def asked_design(design: Design, arguments: argparse.Namespace) -> Design:
    """Return the design with the words, rate and share of LUTs asked for."""
    words = {"feature_bits": arguments.words, "constant_bits": arguments.words} if arguments.words else {}
    words |= {"constant_bits": arguments.constants} if arguments.constants else {}
    words |= {"architecture": "compact"} if arguments.compact else {}
    goal = {"folding": "smallest at fps", "fps": arguments.fps} if arguments.fps else {}
    share = {"lut_share": arguments.lut_share} if arguments.lut_share else {}
    return replace(design, accelerator=replace(design.accelerator, **words, **goal, **share))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    train, test = (load_dataset(arguments.data, split) for split in ("train", "test"))
    parameters = export_parameters(load_network(arguments.design))
    design = asked_design(parameters.design, arguments)
    program = lower(replace(parameters, design=design), train.images[:CALIBRATION_IMAGES])
    gates = Executor(program).run(train.images[:CALIBRATION_IMAGES]).gates
    lanes = arguments.lanes
    device = load_device(design.device)
    if arguments.bram18:
        fewer = device.bram18.model_copy(update={"value": arguments.bram18})
        device = device.model_copy(update={"bram18": fewer})
    found: dict[str, Any] = {}
    folding = None
    if not arguments.compact:
        folding = stage_folding(design, lanes) if lanes else solve(design, gates, device)
        if not arguments.natural_order:
            folding, gates = deal_channels(folding, gates, program, train.images[:ORDER_IMAGES])
        found |= {
            "lanes": " ".join(lanes_text(layer.lanes, layer.slices) for layer in layer_foldings(folding)),
            "weights in": " ".join(layer.weight_memory for layer in folding.convs),
        }
    started = time.perf_counter()
    rtlil = to_rtlil(program, folding, 1)
    found["RTLIL s"] = round(time.perf_counter() - started, 1)
    figures = estimate(design, gates, folding)
    found["estimated"] = {name: round(figure.value, 1) for name, figure in figures.items()}
    if arguments.images:
        images = test.images[: arguments.images]
        started = time.perf_counter()
        convs = len(program.convs)
        result = simulate(to_verilog(rtlil), images, top=TOP_MODULE, classes=len(test.classes), gated_layers=convs)
        expected = Executor(program).run(images).logits
        found |= {
            "images": len(images),
            "mismatching logits": int(np.count_nonzero(result.logits != expected)),
            "cycles a frame": round(result.cycles_per_frame),
            "latency cycles": result.latency_cycles,
            "simulation s": round(time.perf_counter() - started, 1),
        }
    if not arguments.skip_synthesis:
        started = time.perf_counter()
        total = synthesise(rtlil, TOP_MODULE)
        found |= {"LUT": total.lut, "FF": total.ff, "BRAM18": total.bram18, "DSP": total.dsp, "levels": total.levels}
        found["synthesis s"] = round(time.perf_counter() - started, 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("design", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--lanes", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--fps", type=float, help="take the fewest LUTs at this rate")
    parser.add_argument("--lut-share", type=float, help="share of the device's LUTs to use, 0 to 1")
    parser.add_argument("--bram18", type=int, help="blocks of RAM to use, where not all of the device's")
    parser.add_argument("--words", type=int, help="bits of features and constants, where not the design's")
    parser.add_argument("--constants", type=int, help="bits of constants, where not those of --words")
    parser.add_argument("--compact", action="store_true", help="take the compact architecture")
    parser.add_argument("--natural-order", action="store_true", help="do not deal channels to lanes by their gates")
    parser.add_argument("--skip-synthesis", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments)
    for name, value in found.items():
        published = f"   (published: {PUBLISHED[name]})" if PUBLISHED.get(name) else ""
        print(f"{name:20} {value}{published}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
