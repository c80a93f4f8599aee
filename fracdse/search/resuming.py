"""Put a study that was interrupted in order: what was running is run again, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fracdse.search.params import distributions
from fracdse.search.study import Study
from fracdse.search.telling import tell
from fracdse.search.trial_facts import RESULT, RETRY_OF, SEED_NUMBER, START, VOID, Outcome

INTERRUPTED, WORKER_DIED = "interrupted", "its worker died"
IsStale = Callable[[FrozenTrial], bool]


def requeue_interrupted(study: Study, is_stale: IsStale) -> list[int]:
    """Enqueue the design of every running trial that `is_stale`, and void the trial itself.

    A trial whose result was stored, but which was not yet marked finished, is finished instead. Each step leaves
    the study correct if this is interrupted in turn.

    Returns:
        The numbers of the trials that will be run again.
    """
    stale = [trial for trial in _running(study) if is_stale(trial)]
    return [trial.number for trial in stale if _requeue(study, trial, INTERRUPTED)]


def requeue_lost(study: Study, is_lost: IsStale, reason: str) -> None:
    """Put the running trials of a worker that died back, once; one that this happens to twice has failed."""
    trials = study.optuna_study.get_trials(deepcopy=False)
    for trial in _running(study):
        if not is_lost(trial):
            continue
        before = trial.user_attrs.get(RETRY_OF)
        if before is not None and trials[before].user_attrs.get(VOID) == WORKER_DIED and RESULT not in trial.user_attrs:
            _finish(study, trial, Outcome("failed", f"{reason}, twice; often memory was short"))
        else:
            _requeue(study, trial, WORKER_DIED)


def _running(study: Study) -> list[FrozenTrial]:
    return [trial for trial in study.optuna_study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]


def _requeue(study: Study, trial: FrozenTrial, why: str) -> bool:
    """Finish, requeue or drop one running trial; return whether its design will be run again."""
    if RESULT in trial.user_attrs:
        _finish(study, trial, Outcome.from_dict(trial.user_attrs[RESULT]))
        return False
    retried = {other.user_attrs.get(RETRY_OF) for other in study.optuna_study.get_trials(deepcopy=False)}
    # A retry that was killed while it was given its parameters has only some; those that it was to get are whole.
    fixed = trial.system_attrs.get("fixed_params", {})
    params = trial.params if _is_complete(study, trial.params) else fixed
    if VOID not in trial.user_attrs:
        if _is_complete(study, params) and trial.number not in retried:
            first = trial.user_attrs.get(SEED_NUMBER, trial.number)
            study.optuna_study.enqueue_trial(dict(params), user_attrs={RETRY_OF: trial.number, SEED_NUMBER: first})
        study.storage.set_trial_user_attr(trial._trial_id, VOID, why)
    study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    return START in trial.user_attrs


def _is_complete(study: Study, params: Mapping[str, Any]) -> bool:
    return set(params) == set(distributions(study.space))


def _finish(study: Study, trial: FrozenTrial, outcome: Outcome) -> None:
    handle = optuna.Trial(study.optuna_study, trial._trial_id)
    tell(study.optuna_study, handle, outcome, list(study.space.objectives))
