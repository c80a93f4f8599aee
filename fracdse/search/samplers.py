"""Samplers by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from fracdse.errors import ConfigError, nearest
from fracdse.search.model_sampler import ModelSampler
from fracdse.search.params import all_params, distributions, params_key
from fracdse.space import SearchSpace

Factory = Callable[[SearchSpace, int], BaseSampler]


def make_sampler(name: str, space: SearchSpace, seed: int) -> BaseSampler:
    """Return the sampler called `name`.

    Raises:
        ConfigError: No sampler has that name, or it cannot search this space.
    """
    check_sampler(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](space, seed)


def check_sampler(name: str) -> None:
    """Raise ConfigError if no sampler is called `name`."""
    if name not in SAMPLERS:
        raise ConfigError(
            f"search.sampler = {name!r} is not known{nearest(name, SAMPLERS)}", hint=f"Samplers: {', '.join(SAMPLERS)}."
        )


class GridSampler(BaseSampler):
    """Every design of the space once, in the order of the file; then at random."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._grid = list(all_params(space))
        self._kinds = distributions(space)
        self._generator = np.random.default_rng(seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        """Return the whole space: all fields are chosen together."""
        return self._kinds

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, object]:
        """Return the first design of the grid that no trial has."""
        seen = {params_key(other.params) for other in study.get_trials(deepcopy=False) if other.params}
        for params in self._grid:
            if params_key(params) not in seen:
                return dict(params)
        return dict(self._grid[int(self._generator.integers(len(self._grid)))])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> object:
        """Raise an error: the space never changes during a study."""
        raise ConfigError(f"the grid has no field '{param_name}'")


def _tpe(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _nsga2(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=_population(space))


def _nsga3(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIIISampler(seed=seed, population_size=_population(space))


def _gp(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _random(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _population(space: SearchSpace) -> int:
    """Return a population that gives about eight generations, between 8 and 50."""
    return max(8, min(50, space.search.trials // 8))


SAMPLERS: dict[str, Factory] = {
    "model": ModelSampler,
    "TPE": _tpe,
    "NSGA-II": _nsga2,
    "NSGA-III": _nsga3,
    "GP": _gp,
    "random": _random,
    "grid": GridSampler,
}
