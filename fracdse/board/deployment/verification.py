"""Proof by simulation that the generated hardware computes the program's logits, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fracdse.board.deployment.hardware import GeneratedHardware
from fracdse.build.simulation import LogitArray, SimulationOptions, SimulationResult, frame_words, simulate
from fracdse.errors import BuildFailed
from fracdse.program.executor import Executor
from fracdse.program.model import Program

ImageArray = NDArray[np.uint8]
# Images of the runs with pauses and after a reset; the run without pauses has all of them.
_STRESS_IMAGES = 8
_PAUSE_SHARE = 0.3


@dataclass(frozen=True)
class Verification:
    """What was compared, and the run without pauses, whose cycles count.

    `logits` is the number of logits compared over all runs; there is no Verification with a mismatch.
    """

    simulation: SimulationResult
    images: int
    logits: int


def verify(
    hardware: GeneratedHardware, program: Program, images: ImageArray, options: SimulationOptions
) -> Verification:
    """Simulate the hardware and compare every logit and gate counter with the program's.

    Three runs: frames back to back without pauses; a few with random pauses on both ends; a few after a reset in the
    middle of a frame.

    Raises:
        ToolNotFound: Verilator or a C++ compiler is missing.
        BuildFailed: A logit, a gate counter or the build id differs, or the simulation is stuck.
    """
    expected = Executor(program).run(images)
    plain = _run(hardware, program, images, options)
    _compare("frames back to back", plain.logits, expected.logits)
    _compare_gates(plain, [layer.open_fraction for layer in expected.gates.layers], hardware, len(images))
    few = images[:_STRESS_IMAGES]
    words = frame_words(few).shape[1]
    paused = replace(options, pause_in=_PAUSE_SHARE, pause_out=_PAUSE_SHARE)
    interrupted = replace(options, reset_after_words=words // 2)
    for what, chosen in (("random pauses on both ends", paused), ("a reset in mid-frame", interrupted)):
        result = _run(hardware, program, few, chosen)
        _compare(what, result.logits, expected.logits[: len(few)])
    return Verification(plain, len(images), expected.logits.size + 2 * len(few) * expected.logits.shape[1])


def _run(
    hardware: GeneratedHardware, program: Program, images: ImageArray, options: SimulationOptions
) -> SimulationResult:
    result = simulate(
        hardware.verilog, images, top=hardware.top, classes=len(program.classifier.bias),
        gated_layers=len(program.convs), options=options,
    )  # fmt: skip
    if result.build_id != hardware.build_id:
        raise BuildFailed(f"the hardware says build id {result.build_id:016x}, not {hardware.build_id:016x}")
    return result


def _compare(what: str, found: LogitArray, expected: NDArray[np.int64]) -> None:
    wrong = np.argwhere(found != expected)
    if len(wrong):
        image, label = (int(value) for value in wrong[0])
        raise BuildFailed(
            f"the simulated hardware differs from the program with {what}: {len(wrong)} of {expected.size} logits; "
            f"first in image {image}, class {label}: {int(found[image, label])}, not {int(expected[image, label])}"
        )


def _compare_gates(result: SimulationResult, fractions: list[float], hardware: GeneratedHardware, images: int) -> None:
    """Compare the counters of open gates with the program's."""
    outputs = hardware.gate_outputs
    for layer, (count, fraction, size) in enumerate(zip(result.gate_counts, fractions, outputs, strict=True)):
        expected = round(fraction * size * images)
        if count != expected:
            raise BuildFailed(f"gated convolution {layer} counted {count} open gates; the program opens {expected}")
