"""Cycles of every layer; the slowest sets the frame rate of a pipeline, but for what it waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fracdse.design import Design
from fracdse.results.layers import frame_note
from fracdse.results.plots.style import ALARM_COLOUR, BLUE, new_figure, rows_without_margin, thousands, tidy, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LayerCycles:
    """One layer: its cycles a frame, its lanes and in how many slices each takes a fan-in, and if none is slower."""

    name: str
    cycles: float
    lanes: int
    slices: int
    bottleneck: bool


def layer_cycles(rows: Sequence[Mapping[str, Any]]) -> list[LayerCycles]:
    """Return the layers that take cycles of their own, in the order of the network.

    Args:
        rows: One a layer, as `fracdse.results.layers.layer_rows` returns them.
    """
    timed = [row for row in rows if row["cycles"]]
    slowest = max((row["cycles"] for row in timed), default=0)
    return [
        LayerCycles(row["name"], row["cycles"], row["lanes"], row["slices"], row["cycles"] == slowest) for row in timed
    ]


def layer_notes(layers: Sequence[LayerCycles]) -> list[str]:
    """Return what is written beside each bar; of several layers that are equally slow, the first says so for all."""
    slowest = [layer.name for layer in layers if layer.bottleneck]
    notes = []
    for layer in layers:
        lanes = f", {layer.lanes} lane{'' if layer.lanes == 1 else 's'}" if layer.lanes else ""
        lanes += f", {layer.slices} slices" if layer.slices > 1 else ""
        mark = ""
        if slowest[:1] == [layer.name]:
            mark = "  ◂ slowest" + (f" ({len(slowest)} layers)" if len(slowest) > 1 else "")
        notes.append(f"{layer.cycles:,.0f}{lanes}{mark}")
    return notes


def plot_cycles(rows: Sequence[Mapping[str, Any]], design: Design, frame: float, heading: str) -> Figure:
    """Draw a bar a layer; the slowest is hatched and named, and the cycles from frame to frame stand below."""
    layers = layer_cycles(rows)
    figure = new_figure(8, 1.4 + 0.26 * len(layers))
    axis = figure.subplots()
    bars = axis.barh(
        [layer.name for layer in layers],
        [layer.cycles for layer in layers],
        color=[ALARM_COLOUR if layer.bottleneck else BLUE for layer in layers],
        hatch=["//" if layer.bottleneck else "" for layer in layers],
        edgecolor="white",
        height=0.7,
    )
    axis.bar_label(bars, layer_notes(layers), padding=4, fontsize=8)
    axis.set_xlim(0, 1.35 * max((layer.cycles for layer in layers), default=1))
    rows_without_margin(axis, len(layers))
    slowest = max((layer.cycles for layer in layers), default=0.0)
    axis.set_xlabel(f"cycles a frame; ◂ the slowest layer{frame_note(design, frame, slowest)}", wrap=True)
    title(figure, heading)
    tidy(axis, "x")
    thousands(axis)
    return figure
