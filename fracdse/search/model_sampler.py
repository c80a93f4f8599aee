"""The default sampler: exact hardware, modelled accuracy, the largest expected gain for its training.

Optuna's samplers learn every objective from trials. Here all objectives but accuracy are known before anything is
trained, so only accuracy is modelled, designs that miss a constraint are never proposed while others are left, and a
design whose figures are dominated at any likely accuracy has no expected gain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
from numpy.typing import NDArray

from fracdse.search.constraints import total_violation
from fracdse.search.expected_gain import expected_gains
from fracdse.search.knowledge import Knowledge, Memory
from fracdse.search.objective import check_hardware, check_if_it_fits
from fracdse.search.params import Params, all_params, params_key, random_params
from fracdse.search.training_cost import training_cost
from fracdse.search.whole_space import WholeSpaceSampler
from fracdse.space import SearchSpace

FloatArray = NDArray[np.float64]

_LISTED = 512
_DRAWN = 100
_ENOUGH_FEASIBLE, _MOST_CHECKED = 8, 32
_FEWEST_FIRST_TRIALS = 4
_FEWEST_TO_MODEL = 2


@dataclass(frozen=True)
class _Candidate:
    """A design that may be proposed; `violation` is infinite where no folding fits and its least miss is not known."""

    params: Params
    costs: tuple[float, ...]
    violation: float
    training: float


class ModelSampler(WholeSpaceSampler):
    """Proposes the design with the largest expected gain of dominated volume for the time that its training takes."""

    def __init__(self, space: SearchSpace, seed: int, lag: int = 0) -> None:
        super().__init__(space, seed)
        self.memory = Memory(space, lag)
        self._checked: dict[str, _Candidate] = {}

    def propose(self, study: optuna.Study, number: int, generator: np.random.Generator) -> Params:
        """Return the parameters of the next design."""
        knowledge = self.memory.before(study.get_trials(deepcopy=False), number)
        pool = self._pool(generator, knowledge)
        if not pool:
            return random_params(self._space, generator)
        feasible = [candidate for candidate in pool if candidate.violation <= 0]
        if not feasible:
            return min(pool, key=self._violation).params
        if self._is_first(knowledge):
            return self._farthest(feasible, knowledge, generator).params
        costs = np.array([candidate.costs for candidate in feasible]).reshape(len(feasible), -1)
        gains = self._gains([candidate.params for candidate in feasible], costs, knowledge)
        trainings = np.array([candidate.training for candidate in feasible])
        return feasible[int(np.argmax(gains / trainings))].params

    def _is_first(self, knowledge: Knowledge) -> bool:
        """Tell whether the search is still to spread trials over the space, for a model to be fitted to."""
        begun = len(knowledge.trained) + len(knowledge.pending)
        return begun < max(_FEWEST_FIRST_TRIALS, len(self._kinds)) or len(knowledge.trained) < _FEWEST_TO_MODEL

    def _pool(self, generator: np.random.Generator, knowledge: Knowledge) -> list[_Candidate]:
        """Return untried designs with their hardware.

        Of a large space these are the most promising ones of a sample, half of it drawn at random and half near the
        front. Before their hardware is computed, they are ranked by that of designs like them.
        """
        if self._space.size <= _LISTED:
            return [
                self._check(params) for params in all_params(self._space) if params_key(params) not in knowledge.tried
            ]
        drawn = [random_params(self._space, generator) for _ in range(_DRAWN)]
        by_key = {params_key(params): params for params in [*drawn, *self._near_the_front(generator, knowledge)]}
        proposals = [params for key, params in by_key.items() if key not in knowledge.tried]
        if proposals and not self._is_first(knowledge):
            likely = knowledge.costs_near(self.memory.encoder.encode(proposals))
            order = np.argsort(-self._gains(proposals, likely, knowledge), kind="stable")
            proposals = [proposals[place] for place in order]
        pool: list[_Candidate] = []
        for params in proposals[:_MOST_CHECKED]:
            pool.append(self._check(params))
            if sum(candidate.violation <= 0 for candidate in pool) == _ENOUGH_FEASIBLE:
                break
        return pool

    def _near_the_front(self, generator: np.random.Generator, knowledge: Knowledge) -> list[Params]:
        """Return designs of the front with one or two fields drawn anew."""
        found: list[Params] = []
        parents = knowledge.trained.params[knowledge.front]
        for _ in range(_DRAWN if len(parents) else 0):
            parent, fresh = parents[int(generator.integers(len(parents)))], random_params(self._space, generator)
            count = min(len(fresh), int(generator.integers(1, 3)))
            changed = generator.choice(list(fresh), size=count, replace=False)
            found.append({path: fresh[path] if path in changed else parent[path] for path in fresh})
        return found

    def _check(self, params: Params) -> _Candidate:
        key = params_key(params)
        if key not in self._checked:
            design = self._space.design(params)
            outcome = check_if_it_fits(self._space, design)
            costs: tuple[float, ...] = ()
            training = 1.0
            if outcome is not None and outcome.hardware is not None:
                costs = self.memory.costs_of({name: figure.value for name, figure in outcome.hardware.items()})
                training = training_cost(design, self._space.proxy.batch_size)
            violation = math.inf if outcome is None else total_violation(outcome.violations)
            self._checked[key] = _Candidate(params, costs, violation, training)
        return self._checked[key]

    def _violation(self, candidate: _Candidate) -> float:
        """Return by how much a candidate misses the constraints, also where no folding of it fits."""
        if math.isfinite(candidate.violation):
            return candidate.violation
        outcome = check_hardware(self._space, self._space.design(candidate.params))
        self._checked[params_key(candidate.params)] = replace(candidate, violation=total_violation(outcome.violations))
        return total_violation(outcome.violations)

    def _farthest(
        self, feasible: Sequence[_Candidate], knowledge: Knowledge, generator: np.random.Generator
    ) -> _Candidate:
        """Return the candidate that is farthest from every trial so far for the root of what its training costs.

        The first one is drawn at random. The root is a compromise: by distance alone the first trials are the dearest
        corners of the space, and by distance for the cost they are all among its smallest networks.
        """
        tried = [*knowledge.trained.points, *knowledge.pending]
        cheapness = np.array([candidate.training for candidate in feasible]) ** -0.5
        if not tried:
            return feasible[int(generator.choice(len(feasible), p=cheapness / cheapness.sum()))]
        points = self.memory.encoder.encode([candidate.params for candidate in feasible])
        nearest = np.linalg.norm(points[:, None] - np.array(tried)[None], axis=2).min(axis=1)
        return feasible[int(np.argmax(nearest * cheapness + 1e-9 * generator.random(len(feasible))))]

    def _gains(self, designs: Sequence[Params], costs: FloatArray, knowledge: Knowledge) -> FloatArray:
        """Return the expected gain of each design, with the hardware costs given.

        Volumes are bounded by the worst values known, and a tenth of their range more, of every objective.
        """
        points = self.memory.encoder.encode(designs)
        predicted = knowledge.believer.predict(points)
        table = np.vstack([costs, knowledge.costs])
        low, high = table.min(axis=0), table.max(axis=0)
        span = np.where(high > low, (high - low) * 1.1, 1.0)
        front, accuracies = knowledge.front, knowledge.trained.accuracies
        worst = accuracies.min() - 0.1 * (accuracies.max() - accuracies.min())
        return expected_gains(
            (costs - low) / span,
            predicted.mean - worst,
            predicted.deviation,
            (knowledge.costs[front] - low) / span,
            accuracies[front] - worst,
        )
