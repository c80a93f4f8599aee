"""Accuracy against what a design costs, with the front and the intervals drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import DOMINATED_COLOUR, FRONT_COLOUR, new_figure, thousands, tidy
from fracdse.results.table import known_figures, objective_value
from fracdse.space.objectives import DIRECTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("bram18", "dsp", "lut", "fps")
_MOST_NUMBERS = 12
# Points that are closer than this share of the panel share one label.
_LABEL_WIDTH, _LABEL_HEIGHT = 0.04, 0.03


@dataclass(frozen=True)
class FrontPoint:
    """One trial in one panel: x with its 90 % interval, accuracy in per cent, and the kind of its figures."""

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
    """Return what the panel 'accuracy against `figure_name`' shows: every complete trial, the front marked.

    The front is that of all objectives of the study; a trial on it may look dominated in one panel. Each trial is shown
    with its best-founded figures.
    """
    front = {record.number for record in pareto_front(records, objectives)}
    points: list[FrontPoint] = []
    for record in records:
        if record.state != "complete" or record.accuracy is None or record.hardware is None:
            continue
        figure = known_figures(record)[figure_name]
        accuracy = 100 * objective_value(record, "accuracy")
        on_front = record.number in front
        points.append(FrontPoint(record.number, figure.value, figure.low, figure.high, accuracy, on_front, figure.kind))
    return points


def best_accuracy_line(points: Sequence[FrontPoint], figure_name: str) -> list[tuple[float, float]]:
    """Return the corners (x, accuracy in per cent) of the best accuracy that the front has at a cost of x or better."""
    costly_is_high = DIRECTIONS[figure_name] == "minimize"
    ordered = sorted(
        (p for p in points if p.on_front), key=lambda p: (p.x if costly_is_high else -p.x, -p.accuracy_percent)
    )
    corners: list[tuple[float, float]] = []
    for point in ordered:
        if not corners or point.accuracy_percent > corners[-1][1]:
            corners.append((point.x, point.accuracy_percent))
    return corners


def number_labels(points: Sequence[FrontPoint], all_points: Sequence[FrontPoint]) -> list[tuple[float, float, str]]:
    """Return (x, accuracy in per cent, text) of the trial numbers beside `points`; close points share one label.

    Args:
        points: What is labelled.
        all_points: Everything in the panel, which sets its scale.
    """
    wide = max(p.x_high for p in all_points) - min(p.x_low for p in all_points) if all_points else 0.0
    high = max((p.accuracy_percent for p in all_points), default=0) - min(
        (p.accuracy_percent for p in all_points), default=0
    )
    groups: list[list[FrontPoint]] = []
    for point in points:
        for group in groups:
            near_x = abs(group[0].x - point.x) <= _LABEL_WIDTH * wide
            if near_x and abs(group[0].accuracy_percent - point.accuracy_percent) <= _LABEL_HEIGHT * high:
                group.append(point)
                break
        else:
            groups.append([point])
    return [
        (max(p.x for p in group), max(p.accuracy_percent for p in group), ", ".join(str(p.number) for p in group))
        for group in groups
    ]


def plot_front(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], panels: Sequence[str] = ("bram18", "dsp")
) -> Figure:
    """Draw accuracy against each of `panels`, two side by side."""
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = new_figure(5.2 * columns, 3.9 * rows + 0.4)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for axis, name in zip(axes, panels, strict=False):
        _draw_panel(axis, front_points(records, objectives, name), name)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(LABELS["accuracy"])
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
    figure.suptitle("Accuracy after proxy training against hardware; bars are 90 % intervals", fontsize=11)
    return figure


def _draw_panel(axis: Axes, points: Sequence[FrontPoint], name: str) -> None:
    front = [point for point in points if point.on_front]
    _draw_points(axis, [point for point in points if not point.on_front], "dominated", DOMINATED_COLOUR, "o")
    _draw_points(axis, front, "Pareto front of all objectives", FRONT_COLOUR, "D")
    corners = best_accuracy_line(points, name)
    if len(corners) > 1:
        x, y = zip(*corners, strict=True)
        axis.plot(
            x,
            y,
            drawstyle="steps-post",
            color=FRONT_COLOUR,
            linewidth=1.2,
            label="best accuracy at this cost",
            zorder=1,
        )
    if len(front) <= _MOST_NUMBERS:
        for x_place, y_place, text in number_labels(front, points):
            axis.annotate(text, (x_place, y_place), xytext=(5, 6), textcoords="offset points", fontsize=8)
    axis.set_xlabel(LABELS[name])
    axis.margins(0.08)
    tidy(axis)
    thousands(axis)


def _draw_points(axis: Axes, points: Sequence[FrontPoint], label: str, colour: str, marker: str) -> None:
    if not points:
        return
    axis.errorbar(
        [point.x for point in points],
        [point.accuracy_percent for point in points],
        xerr=[[point.x - point.x_low for point in points], [point.x_high - point.x for point in points]],
        fmt=marker, color=colour, label=label, markersize=5, elinewidth=0.8, capsize=2,
        zorder=2 if colour == DOMINATED_COLOUR else 3,
    )  # fmt: skip
