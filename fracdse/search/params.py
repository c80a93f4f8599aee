"""Between a study's parameters and designs: distributions of a space, drawing at random, listing."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from fracdse.space import SearchSpace
from fracdse.space.domains import Choice, Domain, Value

Params = dict[str, Value]


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of every searched field, under its key path."""
    return {path: _distribution(domain) for path, domain in space.searched.items()}


def suggest(trial: optuna.Trial, space: SearchSpace) -> Params:
    """Let the trial's sampler choose a value for every searched field."""
    return {path: _suggest(trial, path, kind) for path, kind in distributions(space).items()}


def random_params(space: SearchSpace, generator: np.random.Generator) -> Params:
    """Draw every searched field independently."""
    return {path: _draw(domain, generator) for path, domain in space.searched.items()}


def all_params(space: SearchSpace) -> Iterator[Params]:
    """Yield the parameters of every design, the last field varying fastest.

    Raises:
        ConfigError: A range is continuous.
    """
    searched = space.searched
    lists = [domain.enumerate() for domain in searched.values()]
    for values in itertools.product(*lists):
        yield dict(zip(searched, values, strict=True))


def params_key(params: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal parameters."""
    return json.dumps(params, sort_keys=True)


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values)
    if isinstance(domain.low, int) and isinstance(domain.high, int):
        return IntDistribution(domain.low, int(domain.last), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(domain.low, domain.last, log=domain.log, step=domain.step)


def _suggest(trial: optuna.Trial, path: str, kind: BaseDistribution) -> Value:
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(path, kind.low, kind.high, step=kind.step, log=kind.log)
    if isinstance(kind, FloatDistribution):
        return trial.suggest_float(path, kind.low, kind.high, step=kind.step, log=kind.log)
    assert isinstance(kind, CategoricalDistribution)
    chosen = trial.suggest_categorical(path, kind.choices)
    assert chosen is not None
    return chosen


def _draw(domain: Domain, generator: np.random.Generator) -> Value:
    if isinstance(domain, Choice):
        return domain.values[int(generator.integers(len(domain.values)))]
    if math.isinf(domain.size):
        low, high = domain.low, domain.high
        drawn = np.exp(generator.uniform(np.log(low), np.log(high))) if domain.log else generator.uniform(low, high)
        return min(max(float(drawn), low), high)
    if domain.log:
        values = domain.enumerate()
        weights = np.log1p(1 / np.array(values, dtype=float))
        return values[int(generator.choice(len(values), p=weights / weights.sum()))]
    return domain.at(int(generator.integers(int(domain.size))))
