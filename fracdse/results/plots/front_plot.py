"""Accuracy against what a design costs, with the front and the intervals drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.labels import LABELS
from fracdse.results.plots.front_data import FrontPoint, best_line, front_points, number_labels, upward_figure
from fracdse.results.plots.style import (
    ALARM_COLOUR,
    DOMINATED_COLOUR,
    FRONT_COLOUR,
    new_figure,
    thousands,
    tidy,
    title,
)
from fracdse.space.objectives import DIRECTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("bram18", "dsp", "lut", "fps")
_MOST_NUMBERS = 12
# With more dominated trials than this, their points are small and only the front keeps its intervals.
_MOST_BARS = 150


def plot_front(
    records: Sequence[TrialRecord],
    objectives: Mapping[str, Direction],
    panels: Sequence[str] = ("bram18", "dsp"),
    chosen: int | None = None,
) -> Figure:
    """Draw accuracy against each of `panels`, two side by side; a ring marks the trial `chosen`.

    Where a search trains nothing, its first objective takes the place of accuracy.
    """
    upward = upward_figure(records, objectives)
    panels = [name for name in panels if name != upward] or [name for name in PANELS if name != upward]
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = new_figure(5.2 * columns, 3.9 * rows + 0.4)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for axis, name in zip(axes, panels, strict=False):
        _draw_panel(axis, front_points(records, objectives, name, upward), name, upward, chosen)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(LABELS[upward])
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if entries:
        figure.legend(list(entries.values()), list(entries), frameon=False, loc="outside lower center", ncols=4)
    what = "Accuracy after proxy training" if upward == "accuracy" else LABELS[upward]
    title(figure, f"{what} against hardware; bars are 90 % intervals")
    return figure


def _draw_panel(axis: Axes, points: Sequence[FrontPoint], across: str, upward: str, chosen: int | None) -> None:
    front = [point for point in points if point.on_front]
    rest = [point for point in points if not point.on_front]
    _draw_dominated(axis, rest)
    _draw_bars(axis, front, FRONT_COLOUR)
    axis.plot(
        [p.x for p in front], [p.y for p in front], "D", color=FRONT_COLOUR, markersize=5.5, markeredgecolor="white",
        markeredgewidth=0.6, zorder=4, label="Pareto front of all objectives" if front else None,
    )  # fmt: skip
    ring = [point for point in front if point.number == chosen]
    if ring:
        axis.plot(
            [p.x for p in ring], [p.y for p in ring], "o", color="none", markeredgecolor=ALARM_COLOUR, markersize=13,
            markeredgewidth=1.6, zorder=5, label=f"chosen: trial {chosen}",
        )  # fmt: skip
    if len(front) <= _MOST_NUMBERS:
        for x, y, text in number_labels(front, points):
            axis.annotate(text, (x, y), xytext=(6, 7), textcoords="offset points", fontsize=8, zorder=6)
    axis.set_xlabel(f"{LABELS[across]}  {'→' if DIRECTIONS[across] == 'maximize' else '←'} better")
    axis.margins(0.08)
    tidy(axis)
    thousands(axis)
    thousands(axis, 6, "y")
    if not points:
        axis.text(0.5, 0.5, "no complete trial", transform=axis.transAxes, ha="center", va="center", color="#555555")
        axis.set_xticks([])
        axis.set_yticks([])
    _draw_line(axis, best_line(points, across, upward), across, upward)


def _draw_dominated(axis: Axes, points: Sequence[FrontPoint]) -> None:
    if not points:
        return
    many = len(points) > _MOST_BARS
    if not many:
        _draw_bars(axis, points, DOMINATED_COLOUR)
    axis.plot(
        [p.x for p in points], [p.y for p in points], "o", color=DOMINATED_COLOUR, markersize=2.5 if many else 5,
        alpha=0.6 if many else 1.0, markeredgewidth=0, zorder=2, label="dominated",
    )  # fmt: skip


def _draw_bars(axis: Axes, points: Sequence[FrontPoint], colour: str) -> None:
    x_error = [[p.x - p.x_low for p in points], [p.x_high - p.x for p in points]]
    y_error = [[p.y - p.y_low for p in points], [p.y_high - p.y for p in points]]
    axis.errorbar(
        [p.x for p in points], [p.y for p in points], fmt="none", ecolor=colour, elinewidth=0.8, capsize=2, zorder=1,
        xerr=x_error if any(map(any, x_error)) else None, yerr=y_error if any(map(any, y_error)) else None,
    )  # fmt: skip


def _draw_line(axis: Axes, corners: Sequence[tuple[float, float]], across: str, upward: str) -> None:
    """Draw the steps, and the last one on to the panel's edge: whoever pays more can still have it."""
    if not corners:
        return
    ends = axis.get_xlim()
    edge = ends[1] if DIRECTIONS[across] == "minimize" else ends[0]
    x, y = zip(*corners, (edge, corners[-1][1]), strict=True)
    what = "accuracy" if upward == "accuracy" else "value"
    axis.plot(
        x, y, drawstyle="steps-post", color=FRONT_COLOUR, linewidth=1.3, zorder=3,
        label=f"best {what} of the front at this cost",
    )  # fmt: skip
    axis.set_xlim(ends)
