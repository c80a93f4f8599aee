"""Random programs of small designs for compact accelerators, and their comparison with the executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fracdse.accelerator.emit import TOP_NAME, to_rtlil
from fracdse.build.simulation import SimulationOptions, simulate
from fracdse.build.verilator import CompileOptions
from fracdse.build.verilog import to_verilog
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.program.executor import Executor
from fracdse.program.model import GatedConvProgram, Program

BUILD_ID = 0x0123_4567_89AB_CDEF
BACK_TO_BACK = SimulationOptions()
PAUSES = SimulationOptions(pause_in=0.4, pause_out=0.6, seed=5)
RESET = SimulationOptions(reset_after_words=11)
STALLED_SINK = SimulationOptions(pause_out=0.99, seed=6)


def compact_design(
    height: int = 16,
    columns: int = 16,
    *,
    colours: int = 1,
    classes: int = 3,
    depth: int = 8,
    width: int = 16,
    resolution: int = 32,
    feature_bits: int = 12,
) -> Design:
    """Return a small design whose accelerator is compact."""
    return Design(
        ImageFormat(height, columns, colours, classes),
        NetworkChoices(depth=depth, width=width, thermometer_resolution=resolution),
        AcceleratorChoices(architecture="compact", feature_bits=feature_bits),
    )


def with_thresholds(program: Program, kind: str) -> Program:
    """Return the program with thresholds that are 'free', 'centred' (t2 = 0) or 'symmetric' (t1 = −t3 as well)."""
    return replace(program, convs=tuple(_with_thresholds(layer, kind) for layer in program.convs))


def _with_thresholds(layer: GatedConvProgram, kind: str) -> GatedConvProgram:
    thresholds = layer.activation_thresholds.copy()
    if kind != "free":
        thresholds[:, 1] = 0
        thresholds[:, 2] = np.abs(thresholds[:, 2])
        thresholds[:, 0] = -np.abs(thresholds[:, 0]) if kind == "centred" else -thresholds[:, 2]
    return replace(layer, activation_thresholds=thresholds)


def of_layers(program: Program, **fields: object) -> Program:
    """Return the program with the same fields of every gated convolution replaced; functions make them of a layer."""
    changed = [
        replace(layer, **{name: value(layer) if callable(value) else value for name, value in fields.items()})
        for layer in program.convs
    ]
    return replace(program, convs=tuple(changed))


def check_bits(
    program: Program, options: Sequence[SimulationOptions], *, frames: int = 4, cache: Path | None = None
) -> None:
    """Simulate a program's accelerator and compare every logit and gate counter with the executor's."""
    image = program.design.image
    verilog = to_verilog(to_rtlil(program, None, BUILD_ID))
    images = np.random.default_rng(7).integers(
        0, 256, (frames, image.height, image.width, image.colours), dtype=np.uint8
    )
    images[-1] = 255
    executor = Executor(program, threads=1)
    want = executor.run(images)
    gates = [int(layer.gate.sum()) for layer in executor.layers(images)]
    for option in options:
        result = simulate(
            verilog,
            images,
            top=TOP_NAME,
            classes=image.classes,
            gated_layers=len(program.convs),
            options=replace(option, jobs=1, compile=CompileOptions(cache=cache)),
        )
        assert np.array_equal(result.logits, want.logits), f"logits with {option}"
        assert result.build_id == BUILD_ID
        assert list(result.gate_counts) == gates, f"gate counters with {option}"
