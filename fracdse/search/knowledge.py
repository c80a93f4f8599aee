"""What a search may know when it proposes a trial: results, trainings whose result is still to come, designs tried.

Workers finish in an order that no seed decides. So that a search can be repeated all the same, a proposal may be told
to overlook the last `lag` trainings before it, finished or not; then it depends on trial numbers alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fracdse.pareto import Direction, nondominated
from fracdse.search.accuracy_model import AccuracyModel, Encoder
from fracdse.search.finished_trials import FinishedTrials, Trainings
from fracdse.search.params import params_key
from fracdse.search.trial_facts import START, VOID
from fracdse.space import SearchSpace

FloatArray = NDArray[np.float64]

_NEIGHBOURS, _MOST_NEIGHBOURS = 4, 1000
_FITTED_EACH_TIME, _GROWTH_BETWEEN_FITS = 100, 1.05


@dataclass(frozen=True)
class Knowledge:
    """The state of a search before one trial.

    Attributes:
        trained: The finished trainings, in order of their trials.
        costs: (n, m) their hardware costs, less being better.
        pending: Encoded designs of the trainings whose result is not to be known yet.
        tried: `params_key` of every design that has a trial.
        fitted: An earlier state, of fewer trainings, whose model's kernel is taken over; None to fit one's own.
    """

    trained: Trainings
    costs: FloatArray
    pending: tuple[FloatArray, ...] = ()
    tried: AbstractSet[str] = frozenset()
    fitted: Knowledge | None = None

    @cached_property
    def front(self) -> NDArray[np.bool_]:
        """(n,) which finished trainings no other dominates."""
        directions: list[Direction] = ["maximize"]
        directions += ["minimize"] * self.costs.shape[1]
        return nondominated(np.column_stack([self.trained.accuracies, self.costs]), directions)

    @cached_property
    def model(self) -> AccuracyModel:
        """The model of the accuracy, of the finished trainings."""
        kernel = None if self.fitted is None else self.fitted.model.kernel
        return AccuracyModel(self.trained.points, self.trained.accuracies, self.front, kernel)

    @cached_property
    def believer(self) -> AccuracyModel:
        """The model that takes what it predicts for the designs in training for their results."""
        return self.model.believing(np.array(self.pending).reshape(-1, self.trained.points.shape[1]))

    def costs_near(self, points: FloatArray) -> FloatArray:
        """Return (n, m) hardware costs that designs at `points` (n, features) are likely to have.

        They are those of the nearest finished trainings, weighted by closeness.
        """
        some = np.unique(np.linspace(0, len(self.trained) - 1, _MOST_NEIGHBOURS).astype(int))
        distances = np.linalg.norm(points[:, None] - self.trained.points[some][None], axis=2)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
        weights = 1 / (np.take_along_axis(distances, nearest, axis=1) + 0.01)
        return np.asarray((self.costs[some][nearest] * weights[..., None]).sum(axis=1) / weights.sum(axis=1)[:, None])


class Memory:
    """Turns the trials of a study into knowledge; what is finished is read once."""

    def __init__(self, space: SearchSpace, lag: int = 0) -> None:
        self.encoder = Encoder(space.searched)
        self.lag = lag
        self._objectives = {name: way for name, way in space.objectives.items() if name != "accuracy"}
        self._signs = np.array([-1.0 if way == "maximize" else 1.0 for way in self._objectives.values()])
        self._finished = FinishedTrials(self.encoder, list(self._objectives))
        self._fitted: Knowledge | None = None
        self._last: Knowledge | None = None

    def before(self, trials: Sequence[FrozenTrial], number: int) -> Knowledge:
        """Return what trial `number` may know of the trials before it."""
        self._finished.read(trials)
        overlooked = self._overlooked(trials[:number])
        unfinished = [trials[place] for place in self._finished.unfinished]
        running = {t.number for t in unfinished if t.number < number and _is_training(t)}
        awaited = [trials[place].params for place in sorted(overlooked | running)]
        tried = self._finished.keys | {params_key(t.params) for t in unfinished if t.params and t.number != number}
        trained = self._finished.before(number, overlooked)
        if self._last is None or not np.array_equal(self._last.trained.numbers, trained.numbers):
            self._last = self._knowledge(trained)
        known = Knowledge(
            self._last.trained, self._last.costs, tuple(self.encoder.encode(awaited)), tried, self._last.fitted
        )
        vars(known).update({name: value for name, value in vars(self._last).items() if name in ("front", "model")})
        self._last = known
        return known

    def must_wait(self, trials: Sequence[FrozenTrial]) -> bool:
        """Tell whether the next trial is to know of a training that is not finished yet."""
        if not self.lag:
            return False
        return not self._overlooked(trials).issuperset(t.number for t in trials if _is_training(t))

    def costs_of(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Return the hardware objectives as costs, less being better."""
        return tuple((self._signs * [figures[name] for name in self._objectives]).tolist())

    def _knowledge(self, trained: Trainings) -> Knowledge:
        """Return knowledge of the trainings alone, with the state that its model's kernel is to come from.

        Which one that is follows from their number, so that a search that is gone on with proposes what it would have.
        """
        costs = trained.figures * self._signs
        count = trainings_at_last_fit(len(trained))
        if count == len(trained):
            return Knowledge(trained, costs)
        numbers = trained.numbers[:count]
        if self._last is not None and np.array_equal(self._last.trained.numbers, numbers):
            self._fitted = self._last
        elif self._fitted is None or not np.array_equal(self._fitted.trained.numbers, numbers):
            self._fitted = Knowledge(trained.some(slice(count)), costs[:count])
        return Knowledge(trained, costs, fitted=self._fitted)

    def _overlooked(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the numbers of the last `lag` trainings, whether they are finished or not."""
        if not self.lag:
            return set()
        latest = (trial.number for trial in reversed(trials) if takes_training(trial))
        return set(itertools.islice(latest, self.lag))


def takes_training(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts and is, or was, trained: it was not refused for its hardware."""
    return START in trial.user_attrs and VOID not in trial.user_attrs and not trial.user_attrs[START].get("refused")


def trainings_at_last_fit(count: int) -> int:
    """Return of how many trainings the kernel of a model of `count` is: of all of few, then each 20th part more."""
    if count <= _FITTED_EACH_TIME:
        return count
    last = following = _FITTED_EACH_TIME
    while following <= count:
        last, following = following, math.ceil(following * _GROWTH_BETWEEN_FITS)
    return last


def _is_training(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.RUNNING and takes_training(trial)
