"""Drawing, synthesising and storing calibration points: a network at a time, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fracdse.build.calibration.draw import draw_design, draw_folding
from fracdse.build.calibration.random_network import random_images, random_parameters
from fracdse.build.calibration.units import unit_rtlils
from fracdse.build.resources import UnitResources
from fracdse.build.tools import find_yosys
from fracdse.build.yosys import SynthesisOptions, synthesise_modules
from fracdse.hardware.calibration.points import NETWORK, Point, builds_folder, read_points, write_points
from fracdse.program.lowering import lower

Talk = Callable[[str], None]


def points_file(family: str, folder: Path | None = None) -> Path:
    """Return the file that the points of a family are stored in."""
    return (folder or builds_folder()) / f"yosys-{family}.csv"


def synthesise_points(
    networks: int,
    seed: int,
    options: SynthesisOptions,
    talk: Talk,
    folder: Path | None = None,
) -> list[Point]:
    """Draw `networks` small networks, synthesise their units and store a point a unit and one a network.

    Networks that are already in the file are not drawn again; the file is written after each network.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys fails on a unit; what was stored stays.
    """
    path = points_file(options.family, folder)
    points = read_points([path]) if path.exists() else []
    known = {point.network for point in points}
    for index in range(networks):
        name = f"{seed}-{index}"
        if name not in known:
            found = _network_points(name, seed, index, options)
            points += found
            write_points(path, points)
            talk(f"network {index + 1} of {networks}: {len(found) - 1} units, {found[-1].lut} LUT")
    return points


def _network_points(name: str, seed: int, index: int, options: SynthesisOptions) -> list[Point]:
    generator = np.random.default_rng([seed, index])
    design = draw_design(generator)
    folding = draw_folding(design, generator)
    program = lower(random_parameters(design, generator), random_images(design, generator))
    pairs = list(unit_rtlils(program, folding, options.family))
    tool, _, version = find_yosys().version.partition(" ")

    def point(layer: str, kind: str, parameters: object, total: list[UnitResources]) -> Point:
        return Point(
            network=name,
            name=layer,
            unit=kind,
            parameters=parameters,  # type: ignore[arg-type]
            lut=sum(unit.lut for unit in total),
            ff=sum(unit.ff for unit in total),
            bram18=sum(unit.bram18 for unit in total),
            dsp=sum(unit.dsp for unit in total),
            levels=max(unit.levels for unit in total),
            seed=seed,
            tool=tool,
            version=version,
            family=options.family,
        )

    units = synthesise_modules([text for _, text in pairs], options)
    points = [
        point(unit.layer, unit.kind, dict(unit.parameters), [found])
        for (unit, _), found in zip(pairs, units, strict=True)
    ]
    whole = {"design": design.to_dict(), "folding": folding.to_dict()}
    return [*points, point(NETWORK, NETWORK, whole, units)]
