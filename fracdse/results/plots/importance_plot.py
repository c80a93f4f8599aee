"""Which choices matter for which objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fracdse.results.importance import Importance, by_choice
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
_HATCHES = ("", "//", "..", "xx", "\\\\", "")


def plot_importance(found: Sequence[Importance], trials: int) -> Figure:
    """Draw a group of bars a choice, a bar an objective, the most important choice on top."""
    table = by_choice(found)
    objectives = list(dict.fromkeys(entry.objective for entry in found))
    height = 0.8 / len(objectives)
    figure = new_figure(7.2, 1.6 + 0.22 * len(objectives) * len(table))
    axis = figure.subplots()
    for place, objective in enumerate(objectives):
        axis.barh(
            [row + (place - (len(objectives) - 1) / 2) * height for row in range(len(table))],
            [100 * shares[objective] for shares in table.values()],
            height=height, color=_COLOURS[place % len(_COLOURS)], hatch=_HATCHES[place % len(_HATCHES)],
            edgecolor="white", label=LABELS[objective].partition(" (")[0],
        )  # fmt: skip
    axis.set_yticks(range(len(table)), [name.rpartition(".")[2].replace("_", " ") for name in table])
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("share of the objective's variance that the choice explains alone (%)")
    axis.set_title(f"Importance of each choice, from {trials} complete trials", fontsize=11, loc="left")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    tidy(axis, "x")
    return figure
