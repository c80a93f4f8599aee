"""Named rules that choose one design of a study's front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fracdse.errors import ConfigError, InfeasibleError, nearest
from fracdse.pareto import Direction, as_costs
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.table import objective_value
from fracdse.space.objectives import DIRECTIONS

_RUNNERS_UP = 3


@dataclass(frozen=True)
class Choice:
    """The chosen trial, the rule in words, and the next best by the same rule."""

    record: TrialRecord
    rule: str
    runners_up: tuple[TrialRecord, ...]


def choose(records: Sequence[TrialRecord], rule: str, objectives: Mapping[str, Direction]) -> Choice:
    """Choose a trial of the feasible front.

    Rules: `knee` (closest to the ideal point, every objective scaled to the front's range), or the name of any figure,
    such as `accuracy`, `fps` or `lut`, for the front's best by it; ties go to the better accuracy, then the smaller
    number.

    Raises:
        ConfigError: The rule is unknown.
        InfeasibleError: No trial is feasible.
    """
    rules = ["knee", *DIRECTIONS]
    if rule not in rules:
        raise ConfigError(f"--by {rule}: no such rule{nearest(rule, rules)}", hint=f"Rules: {', '.join(rules)}.")
    front = pareto_front(records, objectives)
    if not front:
        raise InfeasibleError(
            "no trial of this study is complete and meets its constraints",
            hint="`fracdse report` lists every trial with its state and reason.",
        )
    if rule == "knee":
        score, words = _knee_score(front, objectives), "knee: closest to the ideal point of the front"
    else:
        direction = DIRECTIONS[rule]
        sign = -1.0 if direction == "maximize" else 1.0
        score = lambda record: sign * objective_value(record, rule)  # noqa: E731
        words = f"{rule}: {'highest' if direction == 'maximize' else 'lowest'} of the front"
    ranked = sorted(front, key=lambda record: (score(record), -(record.accuracy or 0.0), record.number))
    return Choice(ranked[0], words, tuple(ranked[1 : 1 + _RUNNERS_UP]))


def _knee_score(front: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> Callable[[TrialRecord], float]:
    values = np.array([[objective_value(record, name) for name in objectives] for record in front])
    costs = as_costs(values, list(objectives.values()))
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0)
    distance = dict(zip((record.number for record in front), np.linalg.norm(scaled, axis=1), strict=True))
    return lambda record: float(distance[record.number])
