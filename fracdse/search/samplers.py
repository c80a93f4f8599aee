"""Samplers by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from fracdse.errors import ConfigError, nearest
from fracdse.search.model_sampler import ModelSampler
from fracdse.search.params import Params, all_params, params_key, random_params
from fracdse.search.trial_facts import has_tried
from fracdse.search.whole_space import WholeSpaceSampler
from fracdse.space import SearchSpace

Factory = Callable[[SearchSpace, int], BaseSampler]


def make_sampler(name: str, space: SearchSpace, seed: int, lag: int = 0) -> BaseSampler:
    """Return the sampler called `name`; `lag` is how many trainings the model is to overlook, see `Memory`.

    Raises:
        ConfigError: No sampler has that name, or it cannot search this space.
    """
    check_sampler(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return ModelSampler(space, seed, lag) if name == "model" else SAMPLERS[name](space, seed)


def check_sampler(name: str) -> None:
    """Raise ConfigError if no sampler is called `name`."""
    if name not in SAMPLERS:
        raise ConfigError(
            f"search.sampler = {name!r} is not known{nearest(name, SAMPLERS)}", hint=f"Samplers: {', '.join(SAMPLERS)}."
        )


class GridSampler(WholeSpaceSampler):
    """Every design of the space once, in the order of the file; then at random."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._grid = list(all_params(space))

    def propose(self, study: optuna.Study, number: int, generator: np.random.Generator) -> Params:
        """Return the first design of the grid that no trial has."""
        seen = {params_key(other.params) for other in study.get_trials(deepcopy=False) if has_tried(other)}
        for params in self._grid:
            if params_key(params) not in seen:
                return params
        return self._grid[int(generator.integers(len(self._grid)))]


class RandomSampler(WholeSpaceSampler):
    """Every field by itself, whatever was found so far."""

    def propose(self, study: optuna.Study, number: int, generator: np.random.Generator) -> Params:
        """Draw a design."""
        return random_params(self._space, generator)


def _tpe(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _nsga2(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=_population(space))


def _nsga3(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIIISampler(seed=seed, population_size=_population(space))


def _gp(space: SearchSpace, seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _population(space: SearchSpace) -> int:
    """Return a population that gives about eight generations, between 8 and 50."""
    return max(8, min(50, space.search.trials // 8))


SAMPLERS: dict[str, Factory] = {
    "model": ModelSampler,
    "TPE": _tpe,
    "NSGA-II": _nsga2,
    "NSGA-III": _nsga3,
    "GP": _gp,
    "random": RandomSampler,
    "grid": GridSampler,
}
