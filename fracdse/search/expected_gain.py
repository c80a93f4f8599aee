"""Expected growth of the dominated volume when only the accuracy of a design is uncertain.

The hardware figures are exact before training, so the gain of a design is an integral over its accuracy alone:
∫ S(t)·P(accuracy > t) dt, where S(t) is the volume of the hardware objectives that the design dominates and no known
design of accuracy ≥ t does. S is a step function, so the integral is a sum of differences of E[(accuracy − t)⁺], which
has a closed form for a normal distribution (Mockus's expected improvement, as in Jones et al. 1998, equation 15).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fracdse.pareto import Direction, hypervolume

FloatArray = NDArray[np.float64]


def expected_gains(
    costs: FloatArray, means: FloatArray, deviations: FloatArray, known_costs: FloatArray, known_accuracies: FloatArray
) -> FloatArray:
    """Return the expected growth, a design, of the volume dominated in the unit box of costs and accuracies above 0.

    Args:
        costs: (n, m) hardware costs of the designs, scaled so that 1 is the bound; less is better. m may be 0.
        means: (n,) predicted accuracies.
        deviations: (n,) their standard deviations, above 0.
        known_costs: (k, m) costs of the front so far.
        known_accuracies: (k,) accuracies of the front so far.

    Returns:
        (n,) gains.
    """
    levels = np.unique(np.concatenate([[0.0], known_accuracies[known_accuracies > 0]]))
    excess = _excess(levels[:, None], means, deviations)
    gains = np.zeros(len(costs))
    for index, level in enumerate(levels):
        above = excess[index + 1] if index + 1 < len(levels) else 0.0
        gains += _exclusive_volumes(costs, known_costs[known_accuracies > level]) * (excess[index] - above)
    return gains


def _exclusive_volumes(costs: FloatArray, better: FloatArray) -> FloatArray:
    """Return, a row of `costs`, the volume from it to the bound 1 that no row of `better` dominates."""
    whole = np.asarray(np.prod(np.clip(1 - costs, 0, None), axis=1))
    if not len(better):
        return whole
    if costs.shape[1] == 0:
        return np.zeros(len(costs))
    if costs.shape[1] == 1:
        return np.asarray(np.clip(np.minimum(better.min(), 1) - costs[:, 0], 0, None))
    if costs.shape[1] == 2:
        return _exclusive_areas(costs, better)
    ways: list[Direction] = ["minimize"] * costs.shape[1]
    taken = [hypervolume(np.maximum(better, row), ways, [1.0] * len(row)) for row in costs]
    return np.asarray(np.clip(whole - np.array(taken), 0, None))


def _exclusive_areas(costs: FloatArray, better: FloatArray) -> FloatArray:
    """Add up the area under the staircase of `better`, step by step along the first cost, seen from each row."""
    steps = better[np.lexsort(better.T[::-1])]
    heights = np.minimum.accumulate(np.concatenate([[1.0], steps[:, 1]]))
    edges = np.concatenate([[-np.inf], steps[:, 0], [1.0]])
    first, second = costs[:, :1], costs[:, 1:]
    widths = np.diff(np.clip(edges, first, np.maximum(first, 1.0)), axis=1)
    return np.asarray((widths * np.clip(heights - second, 0, None)).sum(axis=1))


def _excess(level: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Return E[(x − level)⁺] of a normal x."""
    z = (mean - level) / deviation
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return np.asarray((mean - level) * ndtr(z) + deviation * density)
