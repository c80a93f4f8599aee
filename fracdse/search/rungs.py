"""Successive halving for several objectives: at every rung the worse half of the trials is stopped.

Optuna prunes single objectives only. Here trials are ordered by their non-dominated front, then by crowding distance
(Deb et al., NSGA-II, 2002, III-A and III-B), on the accuracy of the rung and the exact hardware figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fracdse.pareto import Direction, as_costs, nondominated
from fracdse.wording import number_of

FloatArray = NDArray[np.float64]

_FEWEST_TO_COMPARE = 4


def order_of_merit(values: FloatArray, directions: Sequence[Direction]) -> NDArray[np.int64]:
    """Return the rows from best to worst: front by front, within a front those with most room around them first.

    Args:
        values: (n, m) objective values.
        directions: m directions.
    """
    left = np.arange(len(values))
    order: list[int] = []
    while len(left):
        mask = nondominated(values[left], directions)
        if not mask.any():
            mask[:] = True
        front = left[mask]
        crowding = crowding_distance(as_costs(values[front], directions))
        order += front[np.argsort(-crowding, kind="stable")].tolist()
        left = left[~mask]
    return np.array(order, dtype=np.int64)


def crowding_distance(costs: FloatArray) -> FloatArray:
    """Return, for every row of a front, the sum over objectives of its neighbours' gap; ends are infinite."""
    distance = np.zeros(len(costs))
    for column in costs.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def verdict(own: Sequence[float], others: FloatArray, directions: Sequence[Direction], epoch: int) -> str:
    """Return why a trial is stopped at a rung, or an empty text if it goes on.

    The better half, rounded up, goes on; with fewer than four trials at the rung there is nothing to compare with.

    Args:
        own: (m,) objective values of the trial at the rung.
        others: (n, m) values that other trials had there.
        directions: m directions.
        epoch: The rung, for the reason.
    """
    count = len(others) + 1
    if count < _FEWEST_TO_COMPARE:
        return ""
    everyone = np.vstack([np.array([own]), others])
    # In one order of rows, whoever asks, so that the trials of a batch agree; equal trials share the better place.
    everyone = everyone[np.lexsort(everyone.T)]
    ranked = everyone[order_of_merit(everyone, directions)]
    place = int(np.flatnonzero((ranked == np.array(own)).all(axis=1))[0]) + 1
    kept = (count + 1) // 2
    if place <= kept:
        return ""
    epochs = number_of(epoch, "epoch")
    return f"stopped after {epochs}: place {place} of {count} by front and crowding; the first {kept} go on"
