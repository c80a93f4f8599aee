"""Ask a study for its next design: new ones only, as many as were asked for, interrupted ones first."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from fracdse.design import Design
from fracdse.errors import FracdseError
from fracdse.file_lock import FileLock
from fracdse.records import TrialRecord
from fracdse.search.database import Database
from fracdse.search.heartbeat import Heartbeat, LifeWatch
from fracdse.search.hopeless import hopeless
from fracdse.search.knowledge import Memory
from fracdse.search.locks import ASK_LOCK
from fracdse.search.model_sampler import ModelSampler
from fracdse.search.objective import AtRung, check_hardware
from fracdse.search.params import Params, all_params, params_key, random_params, suggest
from fracdse.search.resuming import requeue_interrupted
from fracdse.search.rungs import verdict
from fracdse.search.samplers import GridSampler
from fracdse.search.seeds import derived_seed
from fracdse.search.study import Study
from fracdse.search.telling import tell, tell_sampler
from fracdse.search.trial_facts import (
    COPY_OF,
    RESULT,
    RETRY_OF,
    REUSED,
    RUNGS,
    SEED_NUMBER,
    START,
    VOID,
    Outcome,
    has_tried,
    start_facts,
)

_REPEATS_BEFORE_CHANCE = 5
_RANDOM_ATTEMPTS = 1000
_LARGEST_LISTED_SPACE = 20_000
_WAIT_SECONDS = 0.05
_LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """A design to be evaluated as trial `trial`; `refused` is its outcome where it is known without training."""

    trial: optuna.Trial
    design: Design
    seed: int
    heartbeat: Heartbeat
    refused: Outcome | None = None


class _Again:
    """The design was a repeat; ask again."""


@dataclass
class Asker:
    """Asks on behalf of one process, `owner`; `sampler` proposes, repeats are answered from what is stored.

    With a `lag`, a proposal overlooks the last `lag` trainings and waits for all before them: see `Memory`.
    """

    study: Study
    owner: str
    optuna_study: optuna.Study = field(init=False)
    sampler: optuna.samplers.BaseSampler
    lag: int = 0
    _memory: Memory = field(init=False)
    _watch: LifeWatch = field(init=False)

    def __post_init__(self) -> None:
        self.optuna_study = optuna.load_study(
            study_name=self.study.name, storage=self.study.storage, sampler=self.sampler
        )
        known = self.sampler.memory if isinstance(self.sampler, ModelSampler) else None
        self._memory = known or Memory(self.study.space, self.lag)
        self._watch = LifeWatch(self.study.storage, self.optuna_study._study_id)

    def next(self, target: int, is_over: Callable[[], bool] = lambda: False) -> Asked | None:
        """Return the next design, or None when `target` trials count, no untried design is left, or `is_over`."""
        while not is_over():
            with FileLock(self.study.folder / ASK_LOCK):
                if not (self.lag and self._memory.must_wait(self.optuna_study.get_trials(deepcopy=False))):
                    return self._next(target)
            time.sleep(_WAIT_SECONDS)
        return None

    def _next(self, target: int) -> Asked | None:
        for repeats in itertools.count():
            answer = self._try(target, by_chance=repeats >= _REPEATS_BEFORE_CHANCE)
            if not isinstance(answer, _Again):
                return answer
        return None

    def _try(self, target: int, by_chance: bool) -> Asked | _Again | None:
        """Ask once: a design, None at the end, or the wish to be called again because the design was a repeat."""
        if self.study.in_database:
            dead = self._watch.dead()
            requeue_interrupted(self.study, lambda trial: trial._trial_id in dead)
        trials = self.optuna_study.get_trials(deepcopy=False)
        # In a database an interrupted trial is run again before the search ends, though others have taken its place.
        shared = self.study.in_database
        if counted(trials) >= target and not (shared and any(map(_is_waiting_retry, trials))):
            if not self._watch.suspects_any and not (shared and any(map(_is_unbegun, trials))):
                return None
            time.sleep(_LOOK_AGAIN_SECONDS)
            return _Again()
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if by_chance and not waiting and not self._enqueue_unseen(trials):
            return None
        return self._ask_once(trials, target) or _Again()

    def tell(self, asked: Asked, outcome: Outcome) -> TrialRecord | None:
        """Store the outcome of a trial and return the trial as it is stored.

        None where the trial was taken away: this process gave no sign of life for long, because it was stopped or cut
        off from the database, and another one put the trial back to be run again.
        """
        asked.heartbeat.stop()
        tell(self.optuna_study, asked.trial, outcome, list(self.study.space.objectives))
        return self.study.find_record(asked.trial.number)

    def note_rung(self, asked: Asked, rung: AtRung) -> None:
        """Store what a trial is worth at a rung, unless the trial was taken away; see `tell`."""
        known = dict(asked.trial.user_attrs.get(RUNGS, {}))
        with suppress(UpdateFinishedTrialError):
            asked.trial.set_user_attr(RUNGS, known | {str(rung.epoch): rung.values})

    def verdict(self, asked: Asked, rung: AtRung, rivals: list[int] | None) -> str:
        """Return why a trial is stopped at a rung, or an empty text; None for rivals compares with the whole study."""
        others = [
            trial.user_attrs[RUNGS][str(rung.epoch)]
            for trial in self.optuna_study.get_trials(deepcopy=False)
            if trial.number != asked.trial.number
            and VOID not in trial.user_attrs
            and str(rung.epoch) in trial.user_attrs.get(RUNGS, {})
            and (rivals is None or trial.number in rivals)
        ]
        table = np.array(others, dtype=float).reshape(len(others), len(rung.values))
        return verdict(rung.values, table, list(self.study.space.objectives.values()), rung.epoch)

    def _ask_once(self, earlier: list[FrozenTrial], target: int) -> Asked | None:
        with warnings.catch_warnings():
            # Optuna warns that it beats only for `Study.optimize`; `Heartbeat` beats for us.
            warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
            trial = self.optuna_study.ask()
        heartbeat = Heartbeat(self.study.storage, trial._trial_id)
        begun = None
        try:
            heartbeat.start()
            begun = self._begin(trial, heartbeat, earlier, target)
        except UpdateFinishedTrialError:
            return None  # This process was stopped for so long that another one took the trial for dead.
        finally:
            if begun is None:
                heartbeat.stop()  # Nobody works on the trial, so it must not look alive.
        return begun

    def _begin(
        self, trial: optuna.Trial, heartbeat: Heartbeat, earlier: list[FrozenTrial], target: int
    ) -> Asked | None:
        """Choose the trial's design; None where another trial has it, or where the trial is one too many."""
        params = suggest(trial, self.study.space)
        same = _same_design(earlier, params)
        if same is not None:
            self._answer_from(trial, same)
            return None
        design = self.study.space.design(params)
        seed = derived_seed(self.study.space.search.seed, trial.user_attrs.get(SEED_NUMBER, trial.number))
        refused = self._refusal(trial.number, params, design)
        facts = start_facts(design, seed, self.owner, refused=refused is not None)
        return Asked(trial, design, seed, heartbeat, refused) if self._claims(trial, facts, target) else None

    def _claims(self, trial: optuna.Trial, facts: dict[str, Any], target: int) -> bool:
        """Store the start of a trial, unless another machine that asked at the same time was first.

        It was if it has begun the same design, or made the trial one too many; a retry is never one too many.
        """
        storage = self.study.storage
        if not isinstance(storage, Database):
            trial.set_user_attr(START, facts)
            return True
        is_retry = RETRY_OF in trial.user_attrs

        def is_taken() -> bool:
            others = [other for other in self.optuna_study.get_trials(deepcopy=False) if other.number != trial.number]
            return _same_design(others, trial.params) is not None or (not is_retry and counted(others) >= target)

        if storage.start_unless(self.optuna_study._study_id, trial._trial_id, START, facts, is_taken):
            return True
        trial.set_user_attr(VOID, "another machine was first")
        self.optuna_study.tell(trial, state=TrialState.FAIL)
        return False

    def _refusal(self, number: int, params: Params, design: Design) -> Outcome | None:
        """Return the outcome of a design that is not worth a training: its hardware does not fit, or is dominated."""
        try:
            outcome = check_hardware(self.study.space, design)
        except FracdseError:
            return None  # The evaluation meets the same error and records it.
        if outcome.state == "infeasible":
            return outcome
        if not self.study.space.search.skip_hopeless or isinstance(self.sampler, GridSampler):
            return None
        knowledge = self._memory.before(self.optuna_study.get_trials(deepcopy=False), number)
        reason = hopeless(self._memory, knowledge, params, outcome)
        return replace(outcome, state="pruned", reason=reason) if reason else None

    def _answer_from(self, trial: optuna.Trial, same: FrozenTrial) -> None:
        """Tell the sampler the stored result of a design seen before; the trial does not count."""
        trial.set_user_attr(VOID, f"repeats trial {same.number}")
        trial.set_user_attr(COPY_OF, same.number)
        if RESULT in same.user_attrs:
            outcome = Outcome.from_dict(same.user_attrs[RESULT])
            tell_sampler(self.optuna_study, trial, outcome, list(self.study.space.objectives))
        else:
            self.optuna_study.tell(trial, state=TrialState.FAIL)

    def _enqueue_unseen(self, trials: list[FrozenTrial]) -> bool:
        params = unseen_params(self.study, trials)
        if params is None:
            return False
        self.optuna_study.enqueue_trial(dict(params))
        return True


def counted(trials: list[FrozenTrial]) -> int:
    """Return how many trials count: not those interrupted, repeating a design, taken over or waiting for a turn."""
    return sum(_counts(trial) for trial in trials)


def _is_unbegun(trial: FrozenTrial) -> bool:
    """Tell whether a trial has no design yet: it gets one in a moment, unless its process was killed right then."""
    return trial.state == TrialState.RUNNING and START not in trial.user_attrs


def _is_waiting_retry(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.WAITING and RETRY_OF in trial.user_attrs


def _counts(trial: FrozenTrial) -> bool:
    start = trial.user_attrs.get(START)
    return start is not None and start["owner"] != REUSED and VOID not in trial.user_attrs


def unseen_params(study: Study, trials: list[FrozenTrial]) -> Params | None:
    """Return parameters that no trial has, drawn at random; None where there are none or none was found."""
    seen = {params_key(trial.params) for trial in trials if has_tried(trial)}
    generator = np.random.default_rng(derived_seed(study.space.search.seed, "unseen", len(trials)))
    if study.space.size <= _LARGEST_LISTED_SPACE:
        left = [params for params in all_params(study.space) if params_key(params) not in seen]
        return left[int(generator.integers(len(left)))] if left else None
    for _ in range(_RANDOM_ATTEMPTS):
        params = random_params(study.space, generator)
        if params_key(params) not in seen:
            return params
    return None


def _same_design(trials: list[FrozenTrial], params: Mapping[str, Any]) -> FrozenTrial | None:
    """Return the trial that has begun a design and counts; one that has only chosen it may yet be one too many."""
    for trial in trials:
        if START in trial.user_attrs and VOID not in trial.user_attrs and trial.params == params:
            return trial
    return None
