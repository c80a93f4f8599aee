"""Samplers by name."""

from __future__ import annotations

import math
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
    check_sampler(name, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return ModelSampler(space, seed, lag) if name == "model" else SAMPLERS[name](space, seed)


def check_sampler(name: str, space: SearchSpace) -> None:
    """Raise ConfigError if no sampler is called `name`, or it cannot search this space."""
    if name not in SAMPLERS:
        raise ConfigError(
            f"search.sampler = {name!r} is not known{nearest(name, SAMPLERS)}", hint=f"Samplers: {', '.join(SAMPLERS)}."
        )
    endless = [path for path, domain in space.searched.items() if math.isinf(domain.size)]
    if name == "grid" and endless:
        raise ConfigError(
            f"search.sampler = 'grid' lists every value, and {endless[0]} = {space.choices[endless[0]].to_plain()} has "
            "no step",
            hint="Give the range a step, or take another sampler.",
        )


class GridSampler(WholeSpaceSampler):
    """Every design of the space once, in the order of the file; then at random."""

    def propose(self, study: optuna.Study, number: int, generator: np.random.Generator) -> Params:
        """Return the first design of the grid that no trial has."""
        seen = {params_key(other.params) for other in study.get_trials(deepcopy=False) if has_tried(other)}
        untried = (params for params in all_params(self._space) if params_key(params) not in seen)
        return next(untried, None) or random_params(self._space, generator)


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
