"""Simulating random small networks as the solver folds them: what the model of cycles is checked against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fracdse.accelerator.emit import to_rtlil
from fracdse.build.calibration.random_network import random_images, random_parameters
from fracdse.build.simulation import ImageArray, SimulationOptions, SimulationResult, simulate
from fracdse.build.tools import find_verilator
from fracdse.build.verilog import to_verilog
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import BuildFailed, InfeasibleError, ProgramError
from fracdse.folding import Folding
from fracdse.hardware.calibration.points import builds_folder
from fracdse.hardware.calibration.simulated import SIMULATED_FILE, SimulatedNetwork, read_simulated, write_simulated
from fracdse.hardware.folding import solve
from fracdse.program import Executor, Program, lower
from fracdse.system import TOP_MODULE

Talk = Callable[[str], None]
_IMAGES = 24
_CLOCK_MHZ = 250.0
# Cycles a pixel of the image that a folding is solved for: from unrolled layers to a lane that takes slices.
_FEWEST_CYCLES_A_PIXEL, _MOST_CYCLES_A_PIXEL = 2.0, 60.0


def simulate_networks(count: int, seed: int, jobs: int | None, talk: Talk, folder: Path | None = None) -> Path:
    """Simulate random networks until `count` of this seed are stored; return the file, written after each of them.

    Raises:
        ToolNotFound: There is no Verilator or C++ compiler.
        BuildFailed: A simulation fails, or its logits are not the program's.
        DataError: The file of stored networks is damaged.
    """
    path = (folder or builds_folder()) / SIMULATED_FILE
    known = read_simulated(path)
    names = {network.name for network in known}
    for index in range(count):
        name = f"{seed}-{index}"
        if name in names:
            continue
        found = simulate_one(name, np.random.default_rng([seed, index]), jobs)
        known.append(found)
        write_simulated(path, known)
        cycles, latency = found.modelled()
        talk(
            f"{name}: {found.cycles_per_frame:,.0f} cycles a frame, model {cycles / found.cycles_per_frame - 1:+.1%}; "
            f"latency {found.latency_cycles:,.0f}, model {latency / found.latency_cycles - 1:+.1%}"
        )
    return path


def simulate_one(name: str, generator: np.random.Generator, jobs: int | None = None) -> SimulatedNetwork:
    """Draw a network that fits, generate its accelerator and run random images through it."""
    while True:
        design = draw_design(generator)
        try:
            folding = solve(design)
            program = lower(random_parameters(design, generator), random_images(design, generator))
        except (InfeasibleError, ProgramError):
            continue
        break
    images = random_images(design, generator, _IMAGES)
    expected = Executor(program, threads=jobs).run(images)
    result, alone = simulate_frames(program, folding, images)
    if not np.array_equal(result.logits, expected.logits):
        raise BuildFailed(f"network {name}: logits of the simulated accelerator are not the program's")
    version = find_verilator().version
    return SimulatedNetwork(
        name, design, folding, expected.gates, result.cycles_per_frame, alone.latency_cycles, _IMAGES, version
    )


def simulate_frames(
    program: Program, folding: Folding, images: ImageArray
) -> tuple[SimulationResult, SimulationResult]:
    """Run images one behind the other, and the first one by itself: others behind a frame hold its last rows up."""
    verilog = to_verilog(to_rtlil(program, folding, 0))
    batch, alone = (
        simulate(
            verilog,
            some,
            top=TOP_MODULE,
            classes=program.design.image.classes,
            gated_layers=len(program.convs),
            options=SimulationOptions(jobs=1),
        )
        for some in (images, images[:1])
    )
    return batch, alone


def draw_design(generator: np.random.Generator) -> Design:
    """Return a small residual network with a rate that its folding is to be solved for."""
    side = int(generator.choice([8, 12, 16]))
    low, high = np.log([_FEWEST_CYCLES_A_PIXEL, _MOST_CYCLES_A_PIXEL])
    cycles = side * side * float(np.exp(generator.uniform(low, high)))
    return Design(
        image=ImageFormat(side, side, int(generator.choice([1, 3])), 4),
        network=NetworkChoices(
            depth=8,
            width=int(generator.choice([4, 6, 8])),
            thermometer_resolution=int(generator.choice([16, 32, 64])),
        ),
        accelerator=AcceleratorChoices(
            clock_mhz=_CLOCK_MHZ, folding="smallest at fps", fps=_CLOCK_MHZ * 1e6 / cycles, feature_bits=16
        ),
    )
