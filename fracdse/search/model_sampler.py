"""The default sampler: exact hardware, modelled accuracy, the largest expected gain a second of training.

Optuna's samplers learn every objective from trials. Here all objectives but accuracy are known before anything is
trained, so only accuracy is modelled, designs that miss a constraint are never proposed while others are left, and a
design whose figures are dominated at any likely accuracy has no expected gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from fracdse.errors import ConfigError
from fracdse.pareto import Direction, nondominated
from fracdse.search.accuracy_model import AccuracyModel, Encoder
from fracdse.search.constraints import total_violation
from fracdse.search.expected_gain import expected_gain
from fracdse.search.objective import check_hardware
from fracdse.search.params import Params, all_params, distributions, params_key, random_params
from fracdse.search.seeds import derived_seed
from fracdse.search.trial_facts import RESULT, VOID
from fracdse.space import SearchSpace

FloatArray = NDArray[np.float64]

_POOL = 100
_LISTED = 512
_FIRST_TRIALS_A_FIELD = 1
_FEWEST_FIRST_TRIALS = 4


@dataclass(frozen=True)
class _Candidate:
    params: Params
    costs: tuple[float, ...]
    violation: float


@dataclass(frozen=True)
class _Seen:
    params: Mapping[str, Any]
    accuracy: float
    costs: tuple[float, ...]
    seconds: float


class ModelSampler(optuna.samplers.BaseSampler):
    """Proposes the design with the largest expected gain of dominated volume a second of training."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed = space, seed
        self._kinds = distributions(space)
        self._encoder = Encoder(space.searched)
        self._hardware = [name for name in space.objectives if name != "accuracy"]
        self._checked: dict[str, _Candidate] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space: all fields are chosen together."""
        return self._kinds

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Raise an error: the space never changes during a study."""
        raise ConfigError(f"the space has no field '{param_name}'")

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of the next design."""
        trials = study.get_trials(deepcopy=False)
        generator = np.random.default_rng(derived_seed(self._seed, trial.number))
        taken = {params_key(other.params) for other in trials if other.params}
        seen = [self._seen(other) for other in trials if _was_trained(other)]
        pool = self._pool(generator, taken, seen)
        if not pool:
            return random_params(self._space, generator)
        feasible = [candidate for candidate in pool if candidate.violation <= 0]
        if not feasible:
            return dict(min(pool, key=lambda candidate: candidate.violation).params)
        if len(seen) < max(_FEWEST_FIRST_TRIALS, _FIRST_TRIALS_A_FIELD * len(self._kinds)):
            return dict(self._farthest(feasible, [other.params for other in trials if other.params], generator).params)
        return dict(self._most_gain(feasible, seen).params)

    def _pool(self, generator: np.random.Generator, taken: set[str], seen: Sequence[_Seen]) -> list[_Candidate]:
        """Return untried designs with their hardware: the whole space where it is small, else a sample of it."""
        if self._space.size <= _LISTED:
            proposals = list(all_params(self._space))
        else:
            proposals = [random_params(self._space, generator) for _ in range(_POOL)]
            parents = [other.params for other in seen[-_POOL:]] or proposals[:1]
            proposals += [self._neighbour(parents[i % len(parents)], generator) for i in range(_POOL)]
        untried = {params_key(params): params for params in proposals}
        return [self._check(key, params) for key, params in untried.items() if key not in taken]

    def _neighbour(self, params: Mapping[str, Any], generator: np.random.Generator) -> Params:
        """Return `params` with one or two fields drawn anew."""
        fresh = random_params(self._space, generator)
        changed = generator.choice(list(fresh), size=min(len(fresh), int(generator.integers(1, 3))), replace=False)
        return {path: fresh[path] if path in changed else params[path] for path in fresh}

    def _check(self, key: str, params: Params) -> _Candidate:
        if key not in self._checked:
            outcome = check_hardware(self._space, self._space.design(params))
            costs: tuple[float, ...] = ()
            if outcome.hardware is not None:
                figures = dict(outcome.hardware.items())
                costs = tuple(self._cost(name, figures[name].value) for name in self._hardware)
            self._checked[key] = _Candidate(params, costs, total_violation(outcome.violations))
        return self._checked[key]

    def _cost(self, name: str, value: float) -> float:
        return -value if self._space.objectives[name] == "maximize" else value

    def _seen(self, trial: FrozenTrial) -> _Seen:
        result = trial.user_attrs[RESULT]
        costs = tuple(self._cost(name, result["hardware"][name]["value"]) for name in self._hardware)
        seconds = result["seconds"]
        return _Seen(trial.params, result["accuracy"], costs, seconds.get("training", seconds.get("cached", 1.0)))

    def _farthest(
        self, feasible: Sequence[_Candidate], others: Sequence[Mapping[str, Any]], generator: np.random.Generator
    ) -> _Candidate:
        """Return the candidate that is farthest from every trial so far; the first one is drawn at random."""
        if not others:
            return feasible[int(generator.integers(len(feasible)))]
        points = self._encoder.encode([candidate.params for candidate in feasible])
        tried = self._encoder.encode(others)
        nearest = np.linalg.norm(points[:, None] - tried[None], axis=2).min(axis=1)
        return feasible[int(np.argmax(nearest + 1e-9 * generator.random(len(feasible))))]

    def _most_gain(self, feasible: Sequence[_Candidate], seen: Sequence[_Seen]) -> _Candidate:
        inputs = self._encoder.encode([entry.params for entry in seen])
        accuracies = np.array([entry.accuracy for entry in seen])
        points = self._encoder.encode([candidate.params for candidate in feasible])
        predicted = AccuracyModel(inputs, accuracies).predict(points)
        costs = np.array([candidate.costs for candidate in feasible]).reshape(len(feasible), -1)
        known = np.array([entry.costs for entry in seen]).reshape(len(seen), -1)
        low = np.minimum(costs.min(axis=0), known.min(axis=0)) if costs.shape[1] else np.zeros(0)
        high = np.maximum(costs.max(axis=0), known.max(axis=0)) if costs.shape[1] else np.zeros(0)
        span = np.where(high > low, (high - low) * 1.1, 1.0)
        costs, known = (costs - low) / span, (known - low) / span
        front = _front(known, accuracies)
        seconds = _predicted_seconds(inputs, np.array([entry.seconds for entry in seen]), points)
        gains = [
            expected_gain(costs[i], predicted.mean[i], predicted.deviation[i], known[front], accuracies[front])
            / seconds[i]
            for i in range(len(feasible))
        ]
        return feasible[int(np.argmax(gains))]


def _was_trained(trial: FrozenTrial) -> bool:
    result = trial.user_attrs.get(RESULT, {})
    return VOID not in trial.user_attrs and result.get("state") == "complete"


def _front(costs: FloatArray, accuracies: FloatArray) -> NDArray[np.bool_]:
    directions: list[Direction] = ["maximize"]
    directions += ["minimize"] * costs.shape[1]
    return nondominated(np.column_stack([accuracies, costs]), directions)


def _predicted_seconds(inputs: FloatArray, seconds: FloatArray, points: FloatArray) -> FloatArray:
    """Predict training time by ridge regression of its logarithm."""
    rows = np.column_stack([np.ones(len(inputs)), inputs])
    target = np.log(np.maximum(seconds, 1e-3))
    weights = np.linalg.solve(rows.T @ rows + 0.1 * np.eye(rows.shape[1]), rows.T @ target)
    predicted = np.column_stack([np.ones(len(points)), points]) @ weights
    return np.asarray(np.exp(np.clip(predicted, target.min() - 1, target.max() + 1)))
