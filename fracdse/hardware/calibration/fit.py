"""Least squares with coefficients that are never negative, on relative errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

# Below this many LUTs or flip-flops an error counts as if the unit had so many: a miss of 2 LUTs in 5 is no miss.
SMALLEST_UNIT = 20.0
_ROUNDS = 6


@dataclass(frozen=True)
class Fit:
    """Coefficients in the order of the columns, with standard errors; None where a coefficient is held at 0."""

    coefficients: tuple[float, ...]
    standard_errors: tuple[float | None, ...]


def relative_error(predicted: float, actual: float) -> float:
    """Return |actual − predicted| / predicted, small units counting as `SMALLEST_UNIT`."""
    return abs(actual - predicted) / max(predicted, SMALLEST_UNIT)


def fit(terms: NDArray[np.float64], actual: NDArray[np.float64]) -> Fit:
    """Fit actual ≈ terms · coefficients with non-negative coefficients and few outliers' influence.

    Rows are scaled to relative errors; a few rounds of Huber weights (threshold 1.5 robust standard deviations) keep
    odd units from bending the formula. Standard errors are those of the weighted least squares over the positive
    coefficients.

    Args:
        terms: Shape (points, terms).
        actual: Shape (points,).
    """
    scale = 1.0 / np.maximum(actual, SMALLEST_UNIT)
    weights = np.ones(len(actual))
    coefficients = np.zeros(terms.shape[1])
    for _ in range(_ROUNDS):
        rows = (scale * np.sqrt(weights))[:, None]
        norms = np.maximum(np.linalg.norm(terms * rows, axis=0), 1e-12)
        solution, _ = nnls(terms * rows / norms, actual * rows[:, 0], maxiter=200 * terms.shape[1])
        coefficients = solution / norms
        residuals = np.abs(actual - terms @ coefficients) * scale
        spread = max(1.4826 * float(np.median(residuals)), 1e-4)
        weights = np.minimum(1.0, 1.5 * spread / np.maximum(residuals, 1e-12))
    return Fit(tuple(map(float, coefficients)), _standard_errors(terms, actual, coefficients, scale * np.sqrt(weights)))


def _standard_errors(
    terms: NDArray[np.float64],
    actual: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[float | None, ...]:
    active = np.flatnonzero(coefficients > 0)
    design = terms[:, active] * scale[:, None]
    freedom = max(1, len(actual) - len(active))
    variance = float(np.sum(((actual - terms @ coefficients) * scale) ** 2)) / freedom
    covariance = np.linalg.pinv(design.T @ design) * variance
    errors: list[float | None] = [None] * terms.shape[1]
    for position, column in enumerate(active):
        errors[int(column)] = float(np.sqrt(max(0.0, covariance[position, position])))
    return tuple(errors)


def term_matrix(rows: Sequence[dict[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the terms as a matrix of shape (rows, names)."""
    return np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64)
