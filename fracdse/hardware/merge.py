"""Exact merging of layers: every non-dominated sum of one option a layer, within budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True)
class Front:
    """Sums of resources, shape (points, resources), and the option that each of the `choices` merged layers takes."""

    sums: FloatArray
    choices: IndexArray


def nondominated(points: FloatArray) -> IndexArray:
    """Return the indices of the points that no other point beats in all columns; of equal points the first.

    Args:
        points: Shape (points, columns); smaller is better.
    """
    order = np.lexsort(points.T[::-1])
    kept = np.empty((0, points.shape[1]))
    chosen: list[int] = []
    for index in order:
        point = points[index]
        if len(chosen) and bool(np.any(np.all(kept[: len(chosen)] <= point, axis=1))):
            continue
        if len(chosen) == len(kept):
            kept = np.vstack([kept, np.empty((max(16, len(kept)), points.shape[1]))])
        kept[len(chosen)] = point
        chosen.append(int(index))
    return np.array(chosen, dtype=np.int64)


def merge(layers: Sequence[FloatArray], budgets: FloatArray) -> Front:
    """Return every non-dominated sum of one option a layer that stays within the budgets.

    Partial sums that cannot stay within the budgets, whatever the remaining layers take, are dropped at once.

    Args:
        layers: A layer, its options' resources, shape (options, resources), each with at least one row.
        budgets: Shape (resources,).
    """
    resources = len(budgets)
    rest = np.zeros((len(layers) + 1, resources))
    for index in range(len(layers) - 1, -1, -1):
        rest[index] = rest[index + 1] + layers[index].min(axis=0)
    sums, choices = np.zeros((1, resources)), np.zeros((1, 0), dtype=np.int64)
    for index, options in enumerate(layers):
        keep = nondominated(options)
        grown = (sums[:, None, :] + options[keep][None, :, :]).reshape(-1, resources)
        taken = np.concatenate([np.repeat(choices, len(keep), axis=0), np.tile(keep, len(choices))[:, None]], axis=1)
        within = np.all(grown + rest[index + 1] <= budgets * (1 + 1e-12), axis=1)
        grown, taken = grown[within], taken[within]
        best = nondominated(grown)
        sums, choices = grown[best], taken[best]
    return Front(sums, choices)
