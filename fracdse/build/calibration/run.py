"""Drawing, synthesising and storing calibration points, one draw after the other, so that a killed run goes on.

Draws come in turn: two whole small networks, whose units are all synthesised, and a sample of single units out of wider
networks. The next draw is generated while Yosys works on the last one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fracdse.build.cache import digest_of
from fracdse.build.calibration.draw import choose_units, draw_design, draw_folding
from fracdse.build.calibration.random_network import random_images, random_parameters, settled
from fracdse.build.calibration.units import unit_rtlils
from fracdse.build.resources import UnitResources
from fracdse.build.tools import find_yosys
from fracdse.build.yosys import SynthesisOptions, synthesise_modules
from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.folding import Folding
from fracdse.hardware.calibration.points import NETWORK, Point, builds_folder, read_points, write_points
from fracdse.hardware.layers import network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.registry import Unit
from fracdse.program.lowering import lower
from fracdse.program.model import Program

Talk = Callable[[str], None]
Units = tuple[Unit, ...]
# A sample takes so many units each out of so many networks.
_SAMPLED_NETWORKS = 6
_SAMPLED_UNITS = 4
_SHARE_WITHOUT_NORMS = 0.1


@dataclass(frozen=True)
class Draw:
    """Units to synthesise, with their RTLIL; `whole` is the design and folding where they are a whole network."""

    name: str
    units: Units
    texts: tuple[str, ...]
    whole: tuple[Design, Folding] | None = None


def points_file(family: str, folder: Path | None = None) -> Path:
    """Return the file that the points of a family are stored in."""
    return (folder or builds_folder()) / f"yosys-{family}.csv"


def synthesise_points(
    units: int,
    seed: int,
    options: SynthesisOptions,
    talk: Talk,
    folder: Path | None = None,
) -> list[Point]:
    """Draw and synthesise units until at least `units` of this seed are stored; a whole network is a point more.

    Draws that are already in the file are not made again; the file is written after each draw.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys fails on a unit; what was stored stays.
    """
    path = points_file(options.family, folder)
    points = read_points([path]) if path.exists() else []
    known = {point.network for point in points}
    stored = sum(point.seed == seed and point.unit != NETWORK for point in points)
    names = (name for name in _names(seed) if name not in known)
    with ThreadPoolExecutor(max_workers=1) as ahead:
        coming = ahead.submit(make_draw, next(names), options.family)
        while stored < units:
            draw = coming.result()
            coming = ahead.submit(make_draw, next(names), options.family)
            found = _synthesised(draw, seed, options)
            points += found
            stored += len(draw.units)
            write_points(path, points)
            lut = sum(point.lut for point in found if point.unit != NETWORK)
            talk(f"{stored} of {units} units: {draw.name}, {len(draw.units)} units, {lut} LUT")
    return points


def _names(seed: int) -> Iterator[str]:
    """Yield the names of the draws of a seed: two networks and a sample of units in turn."""
    index = 0
    while True:
        yield f"{seed}-network-{2 * index}"
        yield f"{seed}-network-{2 * index + 1}"
        yield f"{seed}-units-{index}"
        index += 1


def make_draw(name: str, family: str) -> Draw:
    """Generate the draw of a name, SEED-network-INDEX or SEED-units-INDEX."""
    seed, kind, index = name.split("-")
    if kind == "network":
        generator = np.random.default_rng([int(seed), int(index)])
        program, folding, units = _draw_network(generator, family, wide=False)
        return Draw(name, units, tuple(unit_rtlils(program, folding, units)), (program.design, folding))
    chosen: list[Unit] = []
    texts: list[str] = []
    generator = np.random.default_rng([int(seed), int(index), 1])
    for _ in range(_SAMPLED_NETWORKS):
        program, folding, units = _draw_network(generator, family, wide=True)
        some = choose_units(units, _SAMPLED_UNITS, generator)
        chosen += some
        texts += unit_rtlils(program, folding, some)
    return Draw(name, tuple(chosen), tuple(texts))


def _draw_network(generator: np.random.Generator, family: str, *, wide: bool) -> tuple[Program, Folding, Units]:
    """Draw until a network's constants fit its words."""
    while True:
        design = draw_design(generator, wide=wide)
        folding = draw_folding(design, generator, wide=wide)
        if generator.spawn(1)[0].random() < _SHARE_WITHOUT_NORMS:
            design = replace(design, network=replace(design.network, batch_norm=False))
        try:
            parameters, images = random_parameters(design, generator), random_images(design, generator)
            program = lower(settled(parameters, images, generator.spawn(1)[0]), images)
        except ProgramError:
            continue
        layers = network_layers(design)
        return program, folding, network_units(layers, folding, words_of(design, layers, family))


def _synthesised(draw: Draw, seed: int, options: SynthesisOptions) -> list[Point]:
    """Synthesise a draw's units and return their points and, last, the whole network's where they are one."""
    version = find_yosys().version.split()[1]

    def point(layer: str, kind: str, parameters: object, key: str, total: list[UnitResources]) -> Point:
        return Point(
            network=draw.name,
            name=layer,
            unit=kind,
            parameters=json.loads(json.dumps(parameters)),  # as they are read back: tuples are lists
            lut=sum(unit.lut for unit in total),
            lut_memory=sum(unit.lut_memory for unit in total),
            ff=sum(unit.ff for unit in total),
            bram18=sum(unit.bram18 for unit in total),
            dsp=sum(unit.dsp for unit in total),
            carry=sum(unit.carry for unit in total),
            levels=max(unit.levels for unit in total),
            seed=seed,
            key=key,
            tool="yosys",
            version=version,
            family=options.family,
        )

    found = synthesise_modules(draw.texts, options)
    points = [
        point(unit.layer, unit.kind, dict(unit.parameters), digest_of(text)[:16], [resources])
        for unit, text, resources in zip(draw.units, draw.texts, found, strict=True)
    ]
    if draw.whole is not None:
        design, folding = draw.whole
        whole = {"design": design.to_dict(), "folding": folding.to_dict()}
        points.append(point(NETWORK, NETWORK, whole, design.key, found))
    return points
