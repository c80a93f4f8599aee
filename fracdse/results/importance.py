"""How much of what the trials show is due to each choice alone.

First-order functional ANOVA (Hutter, Hoos, Leyton-Brown: An efficient approach for assessing hyperparameter
importance, ICML 2014): a random forest learns an objective from the choices; the importance of a choice is the variance
of the forest's mean prediction over that choice alone, as a share of the variance over all choices. What is left to 1
is due to choices together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.records import TrialRecord
from fracdse.results.table import objective_value

FEWEST_TRIALS = 8
_TREES = 64
_MOST_DESIGNS = 4096
_MOST_VALUES = 16


@dataclass(frozen=True)
class Importance:
    """The share of an objective's variance, 0 to 1, that one choice explains alone."""

    choice: str
    objective: str
    share: float


def importances(records: Sequence[TrialRecord], objectives: Sequence[str]) -> list[Importance]:
    """Return the importance of every searched choice for every objective.

    Nothing is returned for fewer than eight complete trials, and 0 where all trials have the same value of the
    objective. The result is the same every time: the forest and the samples have fixed seeds.
    """
    complete = [record for record in records if record.state == "complete" and record.params]
    if len(complete) < FEWEST_TRIALS:
        return []
    choices = sorted({name for record in complete for name in record.params})
    columns = np.column_stack([_encoded([record.params.get(name) for record in complete]) for name in choices])
    found: list[Importance] = []
    for objective in objectives:
        targets = np.array([objective_value(record, objective) for record in complete])
        known = np.isfinite(targets)
        shares = _first_order_shares(columns[known], targets[known])
        found += [Importance(name, objective, share) for name, share in zip(choices, shares, strict=True)]
    return found


def _encoded(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return numbers as they are, and anything else as its place among the values."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.float64)
    names = sorted({str(value) for value in values})
    return np.array([names.index(str(value)) for value in values], dtype=np.float64)


def _first_order_shares(columns: NDArray[np.float64], targets: NDArray[np.float64]) -> list[float]:
    from sklearn.ensemble import RandomForestRegressor

    count = columns.shape[1]
    if len(targets) < FEWEST_TRIALS or np.ptp(targets) == 0:
        return [0.0] * count
    forest = RandomForestRegressor(_TREES, random_state=0).fit(columns, targets)
    values = [_representative(columns[:, i]) for i in range(count)]
    base = _designs(values)
    total = float(np.var(forest.predict(base)))
    if total == 0:
        return [0.0] * count
    shares = []
    for i in range(count):
        means = []
        for value in values[i]:
            fixed = base.copy()
            fixed[:, i] = value
            means.append(float(forest.predict(fixed).mean()))
        shares.append(min(float(np.var(means)) / total, 1.0))
    return shares


def _designs(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return all designs that the values allow, a row each, or 4,096 drawn evenly where there are more."""
    if np.prod([float(len(value)) for value in values]) <= _MOST_DESIGNS:
        grid: NDArray[np.float64] = np.stack(np.meshgrid(*values), axis=-1).reshape(-1, len(values))
        return grid
    generator = np.random.default_rng(0)
    drawn: NDArray[np.float64] = np.column_stack([generator.choice(value, _MOST_DESIGNS) for value in values])
    return drawn


def _representative(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of a choice, or sixteen spread over them where there are more."""
    values = np.unique(column)
    if len(values) <= _MOST_VALUES:
        return values
    places = np.linspace(0, len(values) - 1, _MOST_VALUES).round().astype(int)
    return np.asarray(values[places])


def by_choice(found: Sequence[Importance]) -> Mapping[str, Mapping[str, float]]:
    """Return objective → share of every choice, the most important choice (summed over objectives) first."""
    table: dict[str, dict[str, float]] = {}
    for entry in found:
        table.setdefault(entry.choice, {})[entry.objective] = entry.share
    return dict(sorted(table.items(), key=lambda item: (-sum(item[1].values()), item[0])))
