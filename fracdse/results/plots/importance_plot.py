"""Which choices matter for which objective."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fracdse.results.importance import Importance, by_choice
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import PART_STYLES, new_figure, rows_without_margin, tidy, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME_LETTERS = 24
_SMALLEST_SHOWN = 0.005


def plot_importance(found: Sequence[Importance], trials: int) -> Figure:
    """Draw a group of bars a choice, a bar an objective, the most important choice on top."""
    table = by_choice(found)
    objectives = list(dict.fromkeys(entry.objective for entry in found))
    height = 0.8 / len(objectives)
    figure = new_figure(7.2, 1.6 + 0.22 * len(objectives) * len(table))
    axis = figure.subplots()
    for place, objective in enumerate(objectives):
        colour, hatch = PART_STYLES[place % len(PART_STYLES)]
        bars = axis.barh(
            [row + (place - (len(objectives) - 1) / 2) * height for row in range(len(table))],
            [100 * shares[objective] for shares in table.values()],
            height=height, color=colour, hatch=hatch, edgecolor="white", label=LABELS[objective].partition(" (")[0],
        )  # fmt: skip
        notes = [
            f"{100 * shares[objective]:.0f}" if shares[objective] >= _SMALLEST_SHOWN else ""
            for shares in table.values()
        ]
        axis.bar_label(bars, notes, padding=3, fontsize=8)
    axis.set_yticks(range(len(table)), [_name(name) for name in table])
    rows_without_margin(axis, len(table))
    axis.set_xlim(0, 106)
    axis.set_xticks(range(0, 101, 20))
    axis.set_xlabel("share of variance explained alone (%)")
    title(figure, f"Importance of each choice for each objective, from {trials} complete trials")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    tidy(axis, "x")
    return figure


def _name(path: str) -> str:
    """Return what a choice is called beside its bars: the key without its section, long ones in several lines."""
    return "\n".join(textwrap.wrap(path.rpartition(".")[2].replace("_", " "), _NAME_LETTERS))
