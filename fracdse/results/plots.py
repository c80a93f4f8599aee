"""Figures of a study, one visual language: the front in colour, dominated trials in grey, intervals as bars.

Colours are from the Okabe–Ito palette, which stays apart for colour-blind readers; every series also has its own
marker, so that the figures can be read in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fracdse.errors import ConfigError
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.table import objective_value, strongest_kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
FRONT_COLOUR = "#0072B2"
DOMINATED_COLOUR = "#B0B0B0"
LABELS = {
    "accuracy": "validation accuracy (%)",
    "bram18": "BRAM (18 Kib blocks)",
    "dsp": "DSP slices",
    "lut": "LUTs",
    "ff": "flip-flops",
    "fps": "frames/s",
    "latency_us": "latency (µs)",
    "power_w": "power (W)",
}


@dataclass(frozen=True)
class FrontPoint:
    """One trial in one panel: x with its 90 % interval, accuracy in per cent."""

    number: int
    x: float
    x_low: float
    x_high: float
    accuracy_percent: float
    on_front: bool
    kind: str


def front_points(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], figure_name: str
) -> list[FrontPoint]:
    """Return what the panel 'accuracy against `figure_name`' shows: every complete trial, the front marked."""
    on_front = {record.design.key for record in pareto_front(records, objectives)}
    points: list[FrontPoint] = []
    for record in records:
        if record.state != "complete" or record.accuracy is None or record.hardware is None:
            continue
        figure = getattr(record.hardware, figure_name)
        marked = record.feasible and record.design.key in on_front
        accuracy = 100 * objective_value(record, "accuracy")
        kind = strongest_kind(record)
        points.append(FrontPoint(record.number, figure.value, figure.low, figure.high, accuracy, marked, kind))
    return points


def plot_front(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], panels: Sequence[str] = ("bram18", "dsp")
) -> Figure:
    """Draw accuracy against each of `panels` side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 4.0), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for position, (axis, name) in enumerate(zip(axes, panels, strict=True)):
        _draw_panel(axis, front_points(records, objectives, name), name)
        if position == 0:
            axis.set_ylabel(LABELS["accuracy"])
    axes[0].legend(frameon=False, loc="lower right")
    figure.suptitle("Accuracy (proxy) against estimated hardware; bars are 90 % intervals", fontsize=10)
    return figure


def _draw_panel(axis: Axes, points: Sequence[FrontPoint], name: str) -> None:
    groups = (
        ("dominated", DOMINATED_COLOUR, "o", [point for point in points if not point.on_front]),
        ("Pareto front", FRONT_COLOUR, "D", [point for point in points if point.on_front]),
    )
    for label, colour, marker, group in groups:
        if not group:
            continue
        x = [point.x for point in group]
        errors = [[p.x - p.x_low for p in group], [p.x_high - p.x for p in group]]
        axis.errorbar(
            x, [p.accuracy_percent for p in group], xerr=errors, fmt=marker, color=colour, label=label,
            markersize=6, elinewidth=1, capsize=2, zorder=2 if marker == "o" else 3,
        )  # fmt: skip
    for point in groups[1][3]:
        axis.annotate(
            str(point.number), (point.x, point.accuracy_percent), xytext=(4, 5), textcoords="offset points", fontsize=8
        )
    axis.set_xlabel(LABELS[name])
    axis.grid(color="#E5E5E5", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix.

    Raises:
        ConfigError: The suffix is another one.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: a plot is written as one of {', '.join(FORMATS)}, not '{path.suffix}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
