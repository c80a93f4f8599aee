"""Expected growth of the dominated volume when only the accuracy of a design is uncertain.

The hardware figures are exact before training, so the gain of a design is an integral over its accuracy alone:
∫ S(t)·P(accuracy > t) dt, where S(t) is the volume of the hardware objectives that the design dominates and no known
design of accuracy ≥ t does. S is a step function, so the integral is a sum of differences of E[(accuracy − t)⁺], which
has a closed form for a normal distribution (Mockus's expected improvement, as in Jones et al. 1998, equation 15).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fracdse.pareto import hypervolume

FloatArray = NDArray[np.float64]


def expected_gain(
    costs: FloatArray, mean: float, deviation: float, known_costs: FloatArray, known_accuracies: FloatArray
) -> float:
    """Return the expected growth of the volume dominated within the unit box of costs and accuracies above 0.

    Args:
        costs: (m,) hardware costs of the design, scaled so that 1 is the bound; less is better. May be empty.
        mean: Predicted accuracy.
        deviation: Its standard deviation.
        known_costs: (n, m) costs of the front so far.
        known_accuracies: (n,) accuracies of the front so far.
    """
    if len(costs) and (costs >= 1).any():
        return 0.0
    levels = np.unique(np.concatenate([[0.0], known_accuracies[known_accuracies > 0]]))
    total = 0.0
    for index, low in enumerate(levels):
        better = known_costs[known_accuracies > low]
        area = _exclusive_volume(costs, better)
        if area <= 0:
            continue
        above = 0.0 if index + 1 == len(levels) else _excess(levels[index + 1], mean, deviation)
        total += area * (_excess(low, mean, deviation) - above)
    return total


def _exclusive_volume(costs: FloatArray, better: FloatArray) -> float:
    """Return the volume from `costs` to the bound 1 that no row of `better` dominates."""
    whole = float(np.prod(1 - costs))
    if not len(better):
        return whole
    if not len(costs):
        return 0.0
    clipped = np.maximum(better, costs)
    if (clipped == costs).all(axis=1).any():
        return 0.0
    return whole - hypervolume(clipped, ["minimize"] * len(costs), [1.0] * len(costs))


def _excess(level: float, mean: float, deviation: float) -> float:
    """Return E[(x − level)⁺] of a normal x."""
    z = (mean - level) / deviation
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return (mean - level) * 0.5 * (1 + math.erf(z / math.sqrt(2))) + deviation * density
