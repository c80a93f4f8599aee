"""What a search may know when it proposes a trial: results, trainings whose result is still to come, designs tried.

Workers finish in an order that no seed decides. So that a search can be repeated all the same, a proposal may be told
to overlook the last `lag` trainings before it, finished or not; then it depends on trial numbers alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fracdse.pareto import Direction, nondominated
from fracdse.search.accuracy_model import AccuracyModel, Encoder
from fracdse.search.params import params_key
from fracdse.search.trial_facts import RESULT, START, VOID
from fracdse.space import SearchSpace

FloatArray = NDArray[np.float64]

_NEIGHBOURS, _MOST_NEIGHBOURS = 4, 1000


@dataclass(frozen=True)
class Trained:
    """A finished training: its design, accuracy, and hardware costs, less being better."""

    number: int
    params: Mapping[str, Any]
    point: FloatArray
    accuracy: float
    costs: tuple[float, ...]


@dataclass(frozen=True)
class Knowledge:
    """The state of a search before one trial; `pending` are the encoded designs whose result is not to be known yet."""

    trained: tuple[Trained, ...]
    pending: tuple[FloatArray, ...]
    tried: frozenset[str]

    @cached_property
    def points(self) -> FloatArray:
        """(n, features) encoded designs of the finished trainings."""
        return np.array([entry.point for entry in self.trained])

    @cached_property
    def accuracies(self) -> FloatArray:
        """(n,) accuracies of the finished trainings."""
        return np.array([entry.accuracy for entry in self.trained])

    @cached_property
    def costs(self) -> FloatArray:
        """(n, m) hardware costs of the finished trainings."""
        return np.array([entry.costs for entry in self.trained]).reshape(len(self.trained), -1)

    @cached_property
    def front(self) -> NDArray[np.bool_]:
        """(n,) which finished trainings no other dominates."""
        directions: list[Direction] = ["maximize"]
        directions += ["minimize"] * self.costs.shape[1]
        return nondominated(np.column_stack([self.accuracies, self.costs]), directions)

    @cached_property
    def model(self) -> AccuracyModel:
        """The model of the accuracy, fitted to the finished trainings."""
        return AccuracyModel(self.points, self.accuracies, self.front)

    @cached_property
    def believer(self) -> AccuracyModel:
        """The model that takes what it predicts for the designs in training for their results."""
        return self.model.believing(np.array(self.pending).reshape(-1, self.points.shape[1]))

    def costs_near(self, points: FloatArray) -> FloatArray:
        """Return (n, m) hardware costs that designs at `points` (n, features) are likely to have.

        They are those of the nearest finished trainings, weighted by closeness.
        """
        some = np.unique(np.linspace(0, len(self.trained) - 1, _MOST_NEIGHBOURS).astype(int))
        distances = np.linalg.norm(points[:, None] - self.points[some][None], axis=2)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
        weights = 1 / (np.take_along_axis(distances, nearest, axis=1) + 0.01)
        return np.asarray((self.costs[some][nearest] * weights[..., None]).sum(axis=1) / weights.sum(axis=1)[:, None])


class Memory:
    """Turns the trials of a study into knowledge; what is finished is read once."""

    def __init__(self, space: SearchSpace, lag: int = 0) -> None:
        self.encoder = Encoder(space.searched)
        self.lag = lag
        self._objectives = {name: way for name, way in space.objectives.items() if name != "accuracy"}
        self._keys: dict[int, str] = {}
        self._finished: dict[int, Trained | None] = {}
        self._last: tuple[tuple[int, ...], Knowledge] | None = None

    def before(self, trials: Sequence[FrozenTrial], number: int) -> Knowledge:
        """Return what trial `number` may know of the trials before it."""
        overlooked = self._overlooked(trials[:number])
        trained: list[Trained] = []
        awaited: list[FrozenTrial] = []
        for trial in trials[:number]:
            known = self._read(trial)
            if trial.number in overlooked or (trial.state == TrialState.RUNNING and takes_training(trial)):
                awaited.append(trial)
            elif known is not None:
                trained.append(known)
        tried = frozenset(self._key(trial) for trial in trials if trial.params and trial.number != number)
        points = tuple(self.encoder.encode([trial.params for trial in awaited])) if awaited else ()
        return self._remembered(Knowledge(tuple(trained), points, tried))

    def must_wait(self, trials: Sequence[FrozenTrial]) -> bool:
        """Tell whether the next trial is to know of a training that is not finished yet."""
        if not self.lag:
            return False
        running = {t.number for t in trials if t.state == TrialState.RUNNING and takes_training(t)}
        return not self._overlooked(trials).issuperset(running)

    def costs_of(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Return the hardware objectives as costs, less being better."""
        return tuple(-figures[name] if way == "maximize" else figures[name] for name, way in self._objectives.items())

    def _overlooked(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the numbers of the last `lag` trainings, whether they are finished or not."""
        if not self.lag:
            return set()
        latest = (trial.number for trial in reversed(trials) if takes_training(trial))
        return set(itertools.islice(latest, self.lag))

    def _read(self, trial: FrozenTrial) -> Trained | None:
        """Return what a finished training gave; None for all other trials."""
        if trial.number in self._finished:
            return self._finished[trial.number]
        found = self._as_trained(trial) if was_trained(trial) else None
        if trial.state.is_finished():
            self._finished[trial.number] = found
        return found

    def _as_trained(self, trial: FrozenTrial) -> Trained:
        result = trial.user_attrs[RESULT]
        figures = {name: result["hardware"][name]["value"] for name in self._objectives}
        point = self.encoder.encode([trial.params])[0]
        return Trained(trial.number, trial.params, point, result["accuracy"], self.costs_of(figures))

    def _key(self, trial: FrozenTrial) -> str:
        if trial.number not in self._keys:
            key = params_key(trial.params)
            if not trial.state.is_finished():
                return key
            self._keys[trial.number] = key
        return self._keys[trial.number]

    def _remembered(self, knowledge: Knowledge) -> Knowledge:
        """Share the fitted model with the knowledge before, where it rests on the same trainings."""
        numbers = tuple(entry.number for entry in knowledge.trained)
        if self._last is not None and self._last[0] == numbers and "model" in vars(self._last[1]):
            vars(knowledge)["model"] = self._last[1].model
        self._last = (numbers, knowledge)
        return knowledge


def was_trained(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts and its training has run to the end."""
    return (
        trial.state == TrialState.COMPLETE
        and VOID not in trial.user_attrs
        and trial.user_attrs.get(RESULT, {}).get("state") == "complete"
    )


def takes_training(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts and is, or was, trained: it was not refused for its hardware."""
    return START in trial.user_attrs and VOID not in trial.user_attrs and not trial.user_attrs[START].get("refused")
