"""How far the front has come after each trial: the hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fracdse.pareto import Direction, as_costs, hypervolume, nondominated
from fracdse.records import TrialRecord
from fracdse.results.labels import LABELS
from fracdse.results.plots.style import FRONT_COLOUR, new_figure, thousands, tidy, title
from fracdse.results.table import objective_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN = 0.1
_MOST_STEPS = 200
_MOST_MARKS = 30


@dataclass(frozen=True)
class Progress:
    """After `trials` trials the feasible ones cover `share` of the box that all of them span, 0 to 1."""

    trials: int
    share: float


def hypervolume_progress(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> list[Progress]:
    """Return the hypervolume after every trial that raised it, and after the last.

    Every objective is scaled to the range of the feasible trials, best 0 and worst 1; the reference is 1.1 in each, so
    that the worst trials count too; the volume is given as a share of the box from the best values to the reference. A
    study of more than two hundred feasible trials is looked at after equal steps.
    """
    ordered = sorted(records, key=lambda record: record.number)
    places = [place for place, record in enumerate(ordered) if record.feasible]
    if not places:
        return []
    values = np.array([[objective_value(ordered[place], name) for name in objectives] for place in places])
    costs = as_costs(values, list(objectives.values()))
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0)
    reference = [1.0 + _MARGIN] * len(objectives)
    directions: list[Direction] = ["minimize"] * len(objectives)
    steps: list[Progress] = []
    front = scaled[:0]
    stride = -(-len(places) // _MOST_STEPS)
    for first in range(0, len(places), stride):
        last = min(first + stride, len(places))
        front = np.concatenate([front, scaled[first:last]])
        front = front[nondominated(front, directions)]
        share = hypervolume(front, directions, reference) / float(np.prod(reference))
        if not steps or share > steps[-1].share:
            steps.append(Progress(places[last - 1] + 1, share))
    if steps[-1].trials < len(ordered):
        steps.append(Progress(len(ordered), steps[-1].share))
    return steps


def plot_progress(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> Figure:
    """Draw the hypervolume over the trials as a step line."""
    steps = hypervolume_progress(records, objectives)
    figure = new_figure(6.4, 3.8)
    axis = figure.subplots()
    axis.plot(
        [step.trials for step in steps], [step.share for step in steps], drawstyle="steps-post", color=FRONT_COLOUR,
        marker="D" if len(steps) <= _MOST_MARKS else None, markersize=4,
    )  # fmt: skip
    axis.set_xlabel("trials")
    axis.set_ylabel("hypervolume (share of the box)")
    axis.set_ylim(0, 1.02)
    axis.set_xlim(0, 1.02 * steps[-1].trials if steps else 1)
    names = ", ".join(LABELS[name].partition(" (")[0] for name in objectives)
    title(figure, f"How much of the objectives' space the front covers ({names})")
    tidy(axis)
    thousands(axis, whole=True)
    return figure
