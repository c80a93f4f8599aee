"""Estimates against what simulation, synthesis, implementation and the board said of the same designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fracdse.records import TrialRecord
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import BLUE, GREEN, ORANGE, PURPLE, new_figure, thousands, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIGURES = ("lut", "ff", "bram18", "dsp", "cycles_per_frame", "fps", "latency_us", "power_w")
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

    Figures that a later step merely carried on from the estimate are left out.
    """
    found: list[Comparison] = []
    for record in records:
        if record.hardware is None:
            continue
        for figures in record.later.values():
            for name in _FIGURES:
                figure, estimate = getattr(figures, name), getattr(record.hardware, name)
                if figure.kind != "estimated":
                    entry = (estimate.value, estimate.low, estimate.high, figure.value)
                    found.append(Comparison(record.number, name, figure.kind, *entry))
    return found


def plot_comparisons(found: Sequence[Comparison]) -> Figure:
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
    inside = sum(entry.inside for entry in found)
    figure.suptitle(f"Estimates against what was found; {inside} of {len(found)} within the 90 % interval", fontsize=11)
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
