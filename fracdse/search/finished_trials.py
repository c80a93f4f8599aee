"""Finished trials as tables that grow: each trial is read once, however often a search looks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fracdse.search.accuracy_model import Encoder
from fracdse.search.params import params_key
from fracdse.search.trial_facts import RESULT, VOID, has_tried

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trainings:
    """Finished trainings: `numbers` (n,) of their trials, `params` (n,) dictionaries, `points` (n, features) encoded
    designs, `accuracies` (n,) and hardware `figures` (n, m) of the objectives.
    """

    numbers: NDArray[np.int64]
    params: NDArray[np.object_]
    points: FloatArray
    accuracies: FloatArray
    figures: FloatArray

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, places: NDArray[np.int64] | slice) -> Trainings:
        """Return some of them."""
        return Trainings(*(column[places] for column in vars(self).values()))

    def joined(self, others: Trainings) -> Trainings:
        """Return these and others."""
        columns = zip(vars(self).values(), vars(others).values(), strict=True)
        return Trainings(*(np.concatenate(pair) for pair in columns))


class FinishedTrials:
    """The finished trials of a study, and which trials were not finished at the last reading.

    Attributes:
        trainings: Those that count and whose training ran to its end, in the order of being read.
        keys: `params_key` of every design that a finished trial has tried.
        unfinished: Numbers of the trials that were still to be finished.
    """

    def __init__(self, encoder: Encoder, objectives: Sequence[str]) -> None:
        self._encoder, self._objectives = encoder, tuple(objectives)
        self._seen = 0
        self.trainings = self._trainings([])
        self.keys: set[str] = set()
        self.unfinished: list[int] = []

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Read what was finished since the last time; `trials` are all trials of the study."""
        looked_at = [trials[number] for number in (*self.unfinished, *range(self._seen, len(trials)))]
        fresh = [trial for trial in looked_at if trial.state.is_finished()]
        self.unfinished = [trial.number for trial in looked_at if not trial.state.is_finished()]
        self._seen = max(self._seen, len(trials))
        self.keys.update(params_key(trial.params) for trial in fresh if has_tried(trial))
        trained = [trial for trial in fresh if was_trained(trial)]
        if trained:
            self.trainings = self.trainings.joined(self._trainings(trained))

    def before(self, number: int, overlooked: Collection[int]) -> Trainings:
        """Return the trainings of trials before `number` but for those overlooked, in order of their numbers."""
        numbers = self.trainings.numbers
        kept = np.flatnonzero((numbers < number) & ~np.isin(numbers, list(overlooked)))
        return self.trainings.some(kept[np.argsort(numbers[kept], kind="stable")])

    def _trainings(self, trials: Sequence[FrozenTrial]) -> Trainings:
        results = [trial.user_attrs[RESULT] for trial in trials]
        figures = [[result["hardware"][name]["value"] for name in self._objectives] for result in results]
        params = np.empty(len(trials), dtype=object)
        params[:] = [trial.params for trial in trials]
        return Trainings(
            np.array([trial.number for trial in trials], dtype=np.int64),
            params,
            self._encoder.encode(list(params)),
            np.array([result["accuracy"] for result in results], dtype=float),
            np.array(figures, dtype=float).reshape(len(trials), len(self._objectives)),
        )


def was_trained(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts and its training has run to the end."""
    return (
        trial.state == TrialState.COMPLETE
        and VOID not in trial.user_attrs
        and trial.user_attrs.get(RESULT, {}).get("state") == "complete"
    )
