"""A design layer by layer: what it computes, its gates, its cycles and its resources."""

from __future__ import annotations

from typing import Any

from fracdse.design import Design
from fracdse.gates import GateStatistics
from fracdse.hardware.estimate import estimate, layer_figures
from fracdse.results.picture import layer_lines


def layer_rows(design: Design, gates: GateStatistics | None) -> list[dict[str, Any]]:
    """Return a row a layer of a dataflow or compact design, and one, 'system', for what the layers share.

    Raises:
        InfeasibleError: No folding fits the device.
    """
    lines = {line.name: line for line in layer_lines(design, None, gates)}
    rows: list[dict[str, Any]] = []
    for figures in layer_figures(design, gates):
        line = lines.get(figures.name)
        rows.append(
            {
                "name": figures.name,
                "output": line.output if line else "",
                "operation": line.operation if line else "streams, registers, control",
                "open_fraction": line.open_fraction if line else None,
                "lanes": figures.lanes,
                "slices": figures.slices,
                "weight_memory": figures.weight_memory,
                "cycles": figures.cycles,
                "lut": figures.lut,
                "ff": figures.ff,
                "bram18": figures.bram18,
                "dsp": figures.dsp,
            }
        )
    return rows


def frame_cycles(design: Design, gates: GateStatistics | None) -> float:
    """Return the estimated cycles from frame to frame, which can be more than those of the slowest layer.

    Raises:
        InfeasibleError: No folding fits the device.
    """
    return estimate(design, gates).cycles_per_frame.value


def frame_note(design: Design, frame: float, slowest: float) -> str:
    """Return what a frame takes, for behind the words 'the slowest layer'; less than a cycle more is nothing."""
    if design.accelerator.architecture == "compact":
        return f"; layers follow each other, and a frame takes {frame:,.0f} cycles"
    if frame < slowest + 1:
        return ": it sets the frame rate"
    return f"; stem and first layer wait for each other between frames, so a frame takes {frame:,.0f} cycles"
