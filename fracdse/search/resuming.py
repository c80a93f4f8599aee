"""Put a study that was interrupted in order: what was running is run again, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from fracdse.file_lock import FileLock
from fracdse.search.locks import ASK_LOCK
from fracdse.search.study import Study
from fracdse.search.telling import tell
from fracdse.search.trial_facts import RESULT, RETRY_OF, SEED_NUMBER, START, VOID, Outcome

INTERRUPTED, WORKER_DIED = "interrupted", "its worker died"
BEFORE_START = "interrupted before it began"
_RUN_AGAIN = (INTERRUPTED, WORKER_DIED)
IsStale = Callable[[FrozenTrial], bool]


def requeue_interrupted(study: Study, is_stale: IsStale) -> list[int]:
    """Void every running trial that `is_stale`, and enqueue its design.

    A trial whose result was stored, but which was not yet marked finished, is finished instead. Where another process
    was killed while it put a trial back, the rest is done.

    Returns:
        The numbers of the trials that will be run again.
    """
    stale = [trial for trial in _running(study) if trial.user_attrs.get(VOID) in _RUN_AGAIN or is_stale(trial)]
    return [trial.number for trial in stale if _requeue(study, trial, INTERRUPTED)]


def requeue_lost(study: Study, is_lost: IsStale, reason: str) -> None:
    """Put the running trials of a worker that died back, once; one that this happens to twice has failed."""
    with FileLock(study.folder / ASK_LOCK):  # Nobody asks while a trial is void already and its retry not yet there.
        trials = study.optuna_study.get_trials(deepcopy=False)
        for trial in filter(is_lost, _running(study)):
            before = trial.user_attrs.get(RETRY_OF)
            died_before = before is not None and trials[before].user_attrs.get(VOID) == WORKER_DIED
            if died_before and RESULT not in trial.user_attrs:
                _finish(study, trial, Outcome("failed", f"{reason}, twice; often memory was short"))
            else:
                _requeue(study, trial, WORKER_DIED)


def _running(study: Study) -> list[FrozenTrial]:
    return [trial for trial in study.optuna_study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]


def _requeue(study: Study, trial: FrozenTrial, why: str) -> bool:
    """Finish, requeue or drop one running trial; return whether its design will be run again.

    The trial is void before its retry is there: the other way round, a process that took the retry at once would find
    the trial with the same design, alive as it seemed, and drop the retry as its repeat. It is running until all is
    done, so whoever is killed on the way leaves something that is found again.
    """
    if RESULT in trial.user_attrs:
        _finish(study, trial, Outcome.from_dict(trial.user_attrs[RESULT]))
        return False
    design = design_to_repeat(trial)
    reason = trial.user_attrs.get(VOID, why if design else BEFORE_START)
    try:
        study.storage.set_trial_user_attr(trial._trial_id, VOID, reason)
        if reason in _RUN_AGAIN and not _is_retried(study, trial):
            first = trial.user_attrs.get(SEED_NUMBER, trial.number)
            study.optuna_study.enqueue_trial(dict(design), user_attrs={RETRY_OF: trial.number, SEED_NUMBER: first})
        study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False  # Its process was alive after all and has ended it, or another one was faster to put it back.
    return reason in _RUN_AGAIN


def design_to_repeat(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the parameters that an interrupted trial is to be run again with; empty where it had not begun.

    A retry has begun in any case: one that was killed while it was given its parameters has only some of them, but
    those that it was to get are kept with it.
    """
    if START in trial.user_attrs:
        return trial.params
    queued: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    return queued if RETRY_OF in trial.user_attrs else {}


def _is_retried(study: Study, trial: FrozenTrial) -> bool:
    trials = study.optuna_study.get_trials(deepcopy=False)
    return any(other.user_attrs.get(RETRY_OF) == trial.number for other in trials)


def _finish(study: Study, trial: FrozenTrial, outcome: Outcome) -> None:
    handle = optuna.Trial(study.optuna_study, trial._trial_id)
    tell(study.optuna_study, handle, outcome, list(study.space.objectives))
