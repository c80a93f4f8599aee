"""A Gaussian process that predicts a design's proxy accuracy from its parameters."""

from __future__ import annotations

import copy
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
_LENGTH_PRIOR_MEAN, _LENGTH_PRIOR_DEVIATION = math.sqrt(2), math.sqrt(3)


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
    """Fitted to the trials so far; where there are many, to those of the front, the latest, and a spread of the others.

    Args:
        inputs: (n, features) encoded designs.
        accuracies: (n,) what they reached.
        front: (n,) which of them are on the front; they are the last to be left out.
        kernel: The fitted kernel of another model, to be taken as it is; None to fit one.
    """

    def __init__(
        self, inputs: FloatArray, accuracies: FloatArray, front: NDArray[np.bool_], kernel: Any = None
    ) -> None:
        kept = _informative(front)
        self._inputs, self._accuracies = inputs[kept], accuracies[kept]
        self._process = _regressor(inputs.shape[1], kernel)
        with warnings.catch_warnings():
            # A length at its bound, a line search that does not converge: it is still the best fit found.
            warnings.simplefilter("ignore")
            self._process.fit(self._inputs, self._accuracies)

    @property
    def kernel(self) -> Any:
        """The fitted kernel."""
        return self._process.kernel_

    def predict(self, inputs: FloatArray) -> Prediction:
        """Predict what a training gives at `inputs`, (n, features); the deviation includes a training's own noise."""
        mean, deviation = self._process.predict(inputs, return_std=True)
        return Prediction(np.asarray(mean, dtype=float), np.maximum(np.asarray(deviation, dtype=float), 1e-6))

    def believing(self, inputs: FloatArray) -> AccuracyModel:
        """Return a model that takes its own predictions at `inputs` for measured (Ginsbourger et al. 2010, 4.2).

        So designs in training are not proposed again in slightly other words while their result is awaited.
        """
        if not len(inputs):
            return self
        believer = copy.copy(self)
        believer._inputs = np.vstack([self._inputs, inputs])
        believer._accuracies = np.concatenate([self._accuracies, self.predict(inputs).mean])
        believer._process = _regressor(inputs.shape[1], self.kernel)
        believer._process.fit(believer._inputs, believer._accuracies)
        return believer


def _regressor(features: int, fitted: Any = None) -> Any:
    """Return a Gaussian process with a Matérn kernel of one length a feature, or one with a kernel fitted already.

    Lengths have the log-normal prior of Hvarfner et al. (2024, arXiv 2402.02229, 4.2), which keeps a fit to a handful
    of trials from being overconfident.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    class Regressor(GaussianProcessRegressor):  # type: ignore[misc]
        def log_marginal_likelihood(
            self, theta: Any = None, eval_gradient: bool = False, clone_kernel: bool = True
        ) -> Any:
            found = super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
            if theta is None:
                return found
            # theta holds the logarithms of the factor, the lengths and the noise, in this order.
            away = (theta[1:-1] - _LENGTH_PRIOR_MEAN - 0.5 * math.log(features)) / _LENGTH_PRIOR_DEVIATION
            prior = -0.5 * float(away @ away)
            if not eval_gradient:
                return found + prior
            slope = np.zeros_like(theta)
            slope[1:-1] = -away / _LENGTH_PRIOR_DEVIATION
            return found[0] + prior, found[1] + slope

    if fitted is not None:
        return GaussianProcessRegressor(fitted, optimizer=None, normalize_y=True)
    lengths = np.full(features, math.exp(_LENGTH_PRIOR_MEAN) * math.sqrt(features))
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(lengths, (0.05, 100.0), nu=2.5) + WhiteKernel(0.05, (1e-3, 1.0))
    return Regressor(kernel, normalize_y=True, random_state=0)


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


def _informative(front: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return at most `_LARGEST_FIT` of the trials: half of the front, a quarter the latest, a quarter spread evenly."""
    count = len(front)
    if count <= _LARGEST_FIT:
        return np.arange(count)
    best = np.flatnonzero(front)
    kept = set(best[_even(len(best), _LARGEST_FIT // 2)].tolist())
    kept |= set(range(count - _LARGEST_FIT // 4, count))
    others = np.setdiff1d(np.arange(count), list(kept))
    kept |= set(others[_even(len(others), _LARGEST_FIT - len(kept))].tolist())
    return np.array(sorted(kept), dtype=np.int64)


def _even(count: int, wanted: int) -> NDArray[np.int64]:
    """Return `wanted` evenly spaced places of `count`, or all of them."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))
