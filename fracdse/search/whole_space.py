"""Base of our own samplers: they choose all fields of a design together, from a seed and the trial's number."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from fracdse.errors import ConfigError
from fracdse.search.params import Params, distributions
from fracdse.search.seeds import derived_seed
from fracdse.space import SearchSpace


class WholeSpaceSampler(BaseSampler):
    """Leaves to subclasses `propose`, which returns a value for every searched field."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed = space, seed
        self._kinds = distributions(space)

    def propose(self, study: Study, number: int, generator: np.random.Generator) -> Params:
        """Return the parameters of trial `number`; `generator` is seeded for it."""
        raise NotImplementedError

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self._kinds

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return what `propose` does."""
        generator = np.random.default_rng(derived_seed(self._seed, trial.number))
        return dict(self.propose(study, trial.number, generator))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Raise an error: the space never changes during a study."""
        raise ConfigError(f"the space has no field '{param_name}'")
