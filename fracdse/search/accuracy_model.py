"""A Gaussian process that predicts a design's proxy accuracy from its parameters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.space.domains import Choice, Domain

FloatArray = NDArray[np.float64]

_LARGEST_FIT = 120


@dataclass(frozen=True)
class Prediction:
    """Mean and standard deviation of the accuracy, 0 to 1, one entry a design."""

    mean: FloatArray
    deviation: FloatArray


class Encoder:
    """Turns parameters into numbers from 0 to 1: numbers by rank or ratio, texts and truth values as indicators."""

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self._domains = dict(domains)

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Return the matrix (n, features) of n parameter sets."""
        columns: list[list[float]] = []
        for path, domain in self._domains.items():
            columns += _columns([row[path] for row in rows], domain)
        return np.array(columns, dtype=float).T.reshape(len(rows), len(columns))


class AccuracyModel:
    """Fitted to the trials so far; where there are many, to the latest of them and a spread of the others."""

    def __init__(self, inputs: FloatArray, accuracies: FloatArray) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        kept = _spread(len(accuracies))
        scales = np.full(inputs.shape[1], 1.0)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(scales, (0.1, 20.0), nu=2.5) + WhiteKernel(
            0.05, (1e-4, 1.0)
        )
        self._process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(inputs[kept], accuracies[kept])

    def predict(self, inputs: FloatArray) -> Prediction:
        """Predict the accuracy at `inputs`, (n, features)."""
        mean, deviation = self._process.predict(inputs, return_std=True)
        return Prediction(np.asarray(mean, dtype=float), np.maximum(np.asarray(deviation, dtype=float), 1e-6))


def _columns(values: Sequence[Any], domain: Domain) -> list[list[float]]:
    if isinstance(domain, Choice):
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in domain.values):
            places = {value: rank for rank, value in enumerate(sorted(domain.values))}
            return [[places[value] / max(1, len(places) - 1) for value in values]]
        return [[float(value == choice) for value in values] for choice in domain.values]
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        return [[math.log(value / low) / math.log(high / low) for value in values]]
    return [[(value - low) / (high - low) for value in values]]


def _spread(count: int) -> NDArray[np.int64]:
    """Return at most `_LARGEST_FIT` of `count` indices: the latest half and evenly spaced earlier ones."""
    if count <= _LARGEST_FIT:
        return np.arange(count)
    half = _LARGEST_FIT // 2
    early = np.linspace(0, count - half - 1, half).astype(np.int64)
    return np.concatenate([early, np.arange(count - half, count)])
