"""Exact Pareto fronts: ties and duplicates stay, n log n for up to three objectives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["maximize", "minimize"]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def nondominated(values: FloatArray, directions: Sequence[Direction]) -> BoolArray:
    """Return which rows no other row dominates.

    A row dominates another if it is at least as good in every objective and better in one; equal rows do not dominate
    each other, so duplicates of a front point are all on the front. A row with a value that is not a number is never on
    the front and dominates nothing.

    Args:
        values: (n, m) objective values.
        directions: m directions.

    Returns:
        (n,) mask.

    Raises:
        ValueError: The shapes do not match or there is no objective.
    """
    costs = as_costs(values, directions)
    mask = np.zeros(len(costs), dtype=np.bool_)
    valid = np.flatnonzero(~np.isnan(costs).any(axis=1))
    if len(valid):
        unique, inverse = np.unique(costs[valid], axis=0, return_inverse=True)
        mask[valid] = front_of_sorted(unique)[inverse.reshape(-1)]
    return mask


def as_costs(values: FloatArray, directions: Sequence[Direction]) -> FloatArray:
    """Return `values` with the sign of every maximised column turned, so that less is better throughout."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(directions) or not directions:
        raise ValueError(f"values of shape {table.shape} do not fit {len(directions)} directions")
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    costs: FloatArray = table * signs
    return costs


def front_of_sorted(costs: FloatArray) -> BoolArray:
    """Return which rows no other dominates, of distinct costs in lexicographic order, as `np.unique` gives them."""
    objectives = costs.shape[1]
    if objectives == 1:
        return np.asarray(costs[:, 0] == costs[0, 0])
    if objectives == 2:
        return _front_2d(costs[:, 1])
    if objectives == 3:
        return _front_3d(costs[:, 1].tolist(), costs[:, 2].tolist())
    return _front_any(costs)


def _front_2d(second: FloatArray) -> BoolArray:
    """Keep a row where its second cost is below that of every row before it (whose first cost is no higher)."""
    best_before = np.minimum.accumulate(np.concatenate(([np.inf], second[:-1])))
    front = second < best_before
    front[0] = True
    return np.asarray(front)


def _front_3d(second: list[float], third: list[float]) -> BoolArray:
    """Sweep the rows in order of the first cost, keeping the staircase of (second, third) costs seen so far.

    The staircase has ascending second and strictly descending third costs, so one bisection finds the only step that
    can dominate a new row. Rows are distinct, so whatever the staircase weakly dominates is dominated.
    """
    steps: list[float] = []
    heights: list[float] = []
    front = np.zeros(len(second), dtype=np.bool_)
    for row, (y, z) in enumerate(zip(second, third, strict=True)):
        left = bisect_right(steps, y)
        if left and heights[left - 1] <= z:
            continue
        front[row] = True
        start = bisect_left(steps, y)
        end = start
        while end < len(steps) and heights[end] >= z:
            end += 1
        steps[start:end] = [y]
        heights[start:end] = [z]
    return front


def _front_any(costs: FloatArray) -> BoolArray:
    """Compare every row with the front found so far; in lexicographic order no later row dominates an earlier one."""
    front: list[int] = []
    for row, cost in enumerate(costs):
        if not front or not (costs[front] <= cost).all(axis=1).any():
            front.append(row)
    mask = np.zeros(len(costs), dtype=np.bool_)
    mask[front] = True
    return mask


def hypervolume(values: FloatArray, directions: Sequence[Direction], reference: Sequence[float]) -> float:
    """Return the volume that the rows dominate, bounded by the reference point (in the objectives' own units).

    Rows that are not better than the reference in every objective add nothing. It is exact; a front of a hundred points
    takes about a millisecond for three objectives and some seconds for eight.
    """
    costs = as_costs(values, directions)
    bound = as_costs(np.asarray([reference], dtype=np.float64), directions)[0]
    kept = costs[(costs < bound).all(axis=1)]
    if not len(kept):
        return 0.0
    front = np.unique(kept, axis=0)
    return _volume(front[front_of_sorted(front)], bound)


def _volume(front: FloatArray, bound: FloatArray) -> float:
    """Return the volume of a front in lexicographic order.

    Each row adds the slab from its first cost to the bound, with that part of its other costs' volume that no row
    before it dominates. Those rows are first cut to the row's own box (limit sets: While, Bradstreet, Barone: A fast
    way of calculating exact hypervolumes, IEEE Trans. Evol. Comput. 2012), which leaves few of them.
    """
    if front.shape[1] == 1:
        return float(bound[0] - front[0, 0])
    total = 0.0
    for row, costs in enumerate(front[:, 1:]):
        own = float(np.prod(bound[1:] - costs))
        if row:
            limits = np.unique(np.maximum(front[:row, 1:], costs), axis=0)
            own -= _volume(limits[front_of_sorted(limits)], bound[1:])
        total += float(bound[0] - front[row, 0]) * own
    return total
