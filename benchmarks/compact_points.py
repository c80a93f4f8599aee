"""Random compact accelerators, synthesised and simulated: the points that `benchmarks/compact_model.py` fits."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from fracdse.accelerator.compact.constant_store import ConstantMemory
from fracdse.accelerator.emit import to_rtlil
from fracdse.build.calibration.random_network import random_images, random_parameters, settled
from fracdse.build.simulation import SimulationOptions, simulate
from fracdse.build.synthesis import synthesise
from fracdse.build.tools import find_verilator, find_yosys
from fracdse.build.verilog import to_verilog
from fracdse.build.yosys import SynthesisOptions
from fracdse.data_files import data_folder
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.calibration.points import NETWORK, Point, read_points, write_table
from fracdse.program import Executor
from fracdse.program.lowering import lower
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE

# Height, width, colours, classes; depth, width; resolution; bits of words and constants; powers of two.
DRAWS = (
    (16, 16, 3, 10, 8, 16, 8, 10, 12, 0),
    (32, 32, 3, 10, 20, 16, 8, 12, 12, 0),
    (16, 16, 1, 4, 8, 16, 4, 8, 10, 0),
    (32, 16, 3, 10, 8, 24, 16, 14, 14, 0),
    (16, 32, 3, 5, 14, 32, 32, 16, 16, 0),
    (32, 32, 3, 100, 20, 16, 16, 24, 24, 0),
    (64, 64, 3, 10, 8, 16, 16, 10, 10, 0),
    (16, 16, 3, 10, 8, 64, 8, 12, 14, 0),
    (32, 32, 1, 2, 14, 16, 32, 18, 16, 1),
    (16, 48, 3, 10, 8, 40, 16, 11, 12, 0),
    (48, 48, 3, 20, 8, 24, 4, 13, 12, 0),
    (32, 32, 3, 10, 32, 24, 8, 10, 12, 0),
    (16, 16, 3, 10, 20, 40, 16, 20, 18, 0),
    (32, 32, 3, 10, 14, 32, 16, 9, 11, 0),
    (64, 32, 3, 10, 14, 24, 32, 12, 12, 1),
    (16, 16, 3, 37, 32, 16, 32, 22, 20, 0),
    (32, 64, 1, 10, 8, 32, 8, 10, 14, 0),
    (64, 64, 3, 10, 20, 24, 16, 10, 12, 0),
    (32, 32, 3, 10, 20, 16, 4, 10, 12, 0),
    (16, 16, 1, 10, 14, 32, 8, 16, 14, 1),
    (48, 32, 3, 12, 20, 16, 16, 8, 12, 0),
    (32, 32, 3, 10, 8, 48, 16, 12, 12, 0),
    (32, 32, 3, 10, 8, 8, 8, 10, 12, 0),
    (8, 8, 1, 10, 8, 16, 16, 10, 12, 0),
)
SEED = 7
POINTS_FOLDER = data_folder("hw_models") / "compact"
UNITS_FILE, CYCLES_FILE = "units-xcup.csv", "cycles.csv"
_IMAGES = 4


@dataclass(frozen=True)
class Simulated:
    """Cycles of one simulated network, and the memory words of its constants."""

    network: str
    design: str
    post_words: int
    code_words: int
    cycles_per_frame: int
    latency_cycles: int
    version: str


def name_of(index: int) -> str:
    return f"compact-{SEED}-{index}"


def design_of(index: int) -> Design:
    height, width, colours, classes, depth, channels, resolution, words, constants, powers = DRAWS[index]
    return Design(
        ImageFormat(height, width, colours, classes),
        NetworkChoices(depth=depth, width=channels, thermometer_resolution=resolution, power_of_two=bool(powers)),
        AcceleratorChoices(architecture="compact", feature_bits=words, constant_bits=constants),
    )


def program_of(index: int) -> Program:
    design, generator = design_of(index), np.random.default_rng([SEED, index])
    images = random_images(design, generator)
    return lower(settled(random_parameters(design, generator), images, generator.spawn(1)[0]), images)


def unit_of(module: str) -> str:
    """Return the unit that a synthesised module belongs to: the top level's submodule; 'top' for what is left."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "top"


def synthesise_draw(index: int, jobs: int) -> list[Point]:
    """Synthesise a network; return a point a unit and, last, the whole network's."""
    program = program_of(index)
    memory = ConstantMemory(program)
    result = synthesise(to_rtlil(program, None, 1), TOP_MODULE, SynthesisOptions(jobs=jobs))
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for unit, count in zip(result.units, result.instances, strict=True):
        for into in (unit_of(unit.name), NETWORK):
            for resource in ("lut", "lut_memory", "ff", "bram18", "dsp", "carry"):
                totals[into][resource] += getattr(unit, resource) * count
            totals[into]["levels"] = max(totals[into]["levels"], unit.levels)
    network = totals.pop(NETWORK)
    version = find_yosys().version.split()[1]
    fields_known = {
        "post_bits": sum(field.bits for field in memory.post.fields),
        "threshold_bits": sum(field.bits for field in memory.thresholds.fields),
    }
    whole = {"design": program.design.to_dict(), "fields": fields_known}

    def point(unit: str, parameters: dict[str, Any], counts: dict[str, int]) -> Point:
        return Point(
            name_of(index), unit, unit, parameters, **counts, seed=SEED, key=program.design.key, tool="yosys",
            version=version, family="xcup",
        )  # fmt: skip

    return [*(point(unit, {}, dict(counts)) for unit, counts in totals.items()), point(NETWORK, whole, dict(network))]


def simulate_draw(index: int, jobs: int) -> Simulated:
    """Simulate a network on random images, whose logits must be the program's."""
    program = program_of(index)
    memory, images = ConstantMemory(program), random_images(program.design, np.random.default_rng(1), _IMAGES)
    result = simulate(
        to_verilog(to_rtlil(program, None, 1)),
        images,
        top=TOP_MODULE,
        classes=program.design.image.classes,
        gated_layers=len(program.convs),
        options=SimulationOptions(jobs=jobs),
    )
    if not np.array_equal(result.logits, Executor(program).run(images).logits):
        raise SystemExit(f"{name_of(index)}: the simulated logits are not the program's")
    return Simulated(
        name_of(index), json.dumps(program.design.to_dict(), sort_keys=True), memory.post_words, memory.code_words,
        round(result.cycles_per_frame), result.latency_cycles, find_verilator().version,
    )  # fmt: skip


def read_simulated() -> list[Simulated]:
    path = POINTS_FOLDER / CYCLES_FILE
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Simulated(**{f.name: int(row[f.name]) if f.type == "int" else row[f.name] for f in fields(Simulated)})
            for row in csv.DictReader(file)
        ]


def write_simulated(found: Sequence[Simulated]) -> None:
    names = [field.name for field in fields(Simulated)]
    write_table(POINTS_FOLDER / CYCLES_FILE, names, [[asdict(one)[name] for name in names] for one in found])


def stored_points() -> list[Point]:
    path = POINTS_FOLDER / UNITS_FILE
    return read_points([path]) if path.exists() else []
