"""Estimates against what simulation, synthesis, implementation and the board said of the same designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fracdse.records import TrialRecord
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    new_figure,
    rows_without_margin,
    thousands,
    tidy,
    title,
)
from fracdse.results.terminal import number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIGURES = ("lut", "ff", "bram18", "dsp", "cycles_per_frame", "fps", "latency_us", "power_w")
# So few designs would be lost in panels of their own.
_FEW_DESIGNS = 3
_STYLES = {
    "simulated": (PURPLE, "^"), "synthesised": (ORANGE, "s"), "implemented": (GREEN, "o"), "measured": (BLUE, "D"),
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One figure of one trial: the estimate with its 90 % interval, and what a stronger kind of evidence said."""

    number: int
    figure: str
    kind: str
    estimated: float
    low: float
    high: float
    found: float

    @property
    def inside(self) -> bool:
        """Tell whether what was found lies within the estimate's interval."""
        return self.low <= self.found <= self.high


def comparisons(records: Sequence[TrialRecord]) -> list[Comparison]:
    """Return every figure that is known by more than an estimate, each as what it says it is.

    Figures that a later step merely carried on from an earlier one are left out.
    """
    found: dict[Comparison, None] = {}
    for record in records:
        if record.hardware is None:
            continue
        for figures in record.later.values():
            for name in _FIGURES:
                figure, estimate = getattr(figures, name), getattr(record.hardware, name)
                if figure.kind != "estimated":
                    entry = (estimate.value, estimate.low, estimate.high, figure.value)
                    found[Comparison(record.number, name, figure.kind, *entry)] = None
    return list(found)


def plot_comparisons(found: Sequence[Comparison]) -> Figure:
    """Draw what was found against the estimates; of a few designs, as shares of the estimate, else a panel a figure."""
    few = len({entry.number for entry in found}) <= _FEW_DESIGNS
    figure = _plot_shares(found) if few else _plot_panels(found)
    inside = sum(entry.inside for entry in found)
    title(figure, f"Estimates against what was found; {inside} of {len(found)} within the 90 % interval")
    return figure


def _plot_shares(found: Sequence[Comparison]) -> Figure:
    """Draw a row a figure and design: its interval as a bar, what was found as a mark, in per cent of the estimate."""
    rows = list(dict.fromkeys((entry.figure, entry.number) for entry in sorted(found, key=_order)))
    several = len({number for _, number in rows}) > 1
    figure = new_figure(9, 1.8 + 0.36 * len(rows))
    axis = figure.subplots()
    for entry in found:
        place, scale = rows.index((entry.figure, entry.number)), 100 / (entry.estimated or 1.0)
        width = scale * (entry.high - entry.low)
        axis.barh(place, max(width, 0.4), left=scale * entry.low, height=0.55, color="#DCE6EE", zorder=1)
        colour, marker = _STYLES[entry.kind]
        axis.plot(scale * entry.found, place, marker, color=colour, markersize=8, zorder=3, label=entry.kind)
    axis.axvline(100, color="black", linewidth=1, zorder=2)
    for place, row in enumerate(rows):
        axis.annotate(
            _in_numbers([entry for entry in found if (entry.figure, entry.number) == row]), (1.02, place),
            xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
        )  # fmt: skip
    names = [LABELS[name] + (f", trial {number}" if several else "") for name, number in rows]
    axis.set_yticks(range(len(rows)), names)
    rows_without_margin(axis, len(rows))
    axis.use_sticky_edges = False
    axis.margins(x=0.05)
    axis.set_xlabel("found, as a share of the estimate (%); the bar is the estimate's 90 % interval")
    entries = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(list(entries.values()), list(entries), frameon=False, loc="outside lower center", ncols=4)
    tidy(axis, "x")
    return figure


def _in_numbers(found: Sequence[Comparison]) -> str:
    """Return one row in numbers: '6,198 → 5,714'."""
    values = dict.fromkeys(number_text(entry.found) for entry in found)
    return f"{number_text(found[0].estimated)} → {', '.join(values)}"


def _order(entry: Comparison) -> tuple[int, int]:
    return _FIGURES.index(entry.figure), entry.number


def _plot_panels(found: Sequence[Comparison]) -> Figure:
    """Draw a panel a figure: found against estimated, with the line on which they agree."""
    names = [name for name in _FIGURES if any(entry.figure == name for entry in found)]
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = new_figure(3.7 * columns, 3.5 * rows + 0.7)
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, name in zip(axes, names, strict=False):
        _draw_panel(axis, [entry for entry in found if entry.figure == name], name)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(entries.values()), list(entries), frameon=False, loc="outside lower center", ncols=4)
    return figure


def _draw_panel(axis: Axes, found: Sequence[Comparison], name: str) -> None:
    for kind, (colour, marker) in _STYLES.items():
        group = [entry for entry in found if entry.kind == kind]
        if group:
            errors = [[e.estimated - e.low for e in group], [e.high - e.estimated for e in group]]
            axis.errorbar(
                [e.estimated for e in group], [e.found for e in group], xerr=errors, fmt=marker, color=colour,
                label=kind, markersize=6, elinewidth=1, capsize=2,
            )  # fmt: skip
    ends = [min(min(e.low, e.found) for e in found), max(max(e.high, e.found) for e in found)]
    axis.plot(ends, ends, color="black", linewidth=0.9, linestyle="--", zorder=1)
    axis.margins(0.1)
    thousands(axis, 4)
    thousands(axis, 4, "y")
    axis.set_title(LABELS[name], fontsize=10)
    axis.set_xlabel("estimated")
    axis.set_ylabel("found")
    tidy(axis)
