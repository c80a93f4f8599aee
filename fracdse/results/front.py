"""The feasible Pareto front of a study's trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fracdse.design import Design
from fracdse.pareto import Direction, nondominated
from fracdse.records import TrialRecord
from fracdse.results.table import objective_value


def pareto_front(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> list[TrialRecord]:
    """Return the feasible trials that no other feasible trial dominates, ordered by the first objective, best first.

    A design that was tried more than once is listed once, as its first trial.
    """
    feasible = _first_of_each_design(record for record in records if record.feasible)
    if not feasible:
        return []
    values = np.array([[objective_value(record, name) for name in objectives] for record in feasible])
    mask = nondominated(values, list(objectives.values()))
    first, direction = next(iter(objectives.items()))
    sign = -1.0 if direction == "maximize" else 1.0
    front = [record for record, kept in zip(feasible, mask, strict=True) if kept]
    return sorted(front, key=lambda record: (sign * objective_value(record, first), record.number))


def _first_of_each_design(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    first: dict[Design, TrialRecord] = {}
    for record in sorted(records, key=lambda record: record.number):
        first.setdefault(record.design, record)
    return list(first.values())
