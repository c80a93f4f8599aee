"""Put a study that was interrupted in order: what was running is run again, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from fracdse.search.asking import RETRY_OF, SEED_NUMBER
from fracdse.search.params import distributions
from fracdse.search.study import Study
from fracdse.search.trial_facts import RESULT, START, VOID, Outcome

IsStale = Callable[[FrozenTrial], bool]


def requeue_interrupted(study: Study, is_stale: IsStale) -> list[int]:
    """Enqueue the design of every running trial that `is_stale`, and void the trial itself.

    A trial whose result was stored, but which was not yet marked finished, is finished instead. Each step leaves
    the study correct if this is interrupted in turn.

    Returns:
        The numbers of the trials that will be run again.
    """
    trials = study.optuna_study.get_trials(deepcopy=False)
    retried = {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
    again = []
    for trial in trials:
        if trial.state != TrialState.RUNNING or not is_stale(trial):
            continue
        if RESULT in trial.user_attrs:
            _finish(study, trial)
            continue
        params = trial.params or trial.system_attrs.get("fixed_params", {})
        if _is_complete(study, params) and trial.number not in retried and VOID not in trial.user_attrs:
            first = trial.user_attrs.get(SEED_NUMBER, trial.number)
            study.optuna_study.enqueue_trial(dict(params), user_attrs={RETRY_OF: trial.number, SEED_NUMBER: first})
        if VOID not in trial.user_attrs:
            study.storage.set_trial_user_attr(trial._trial_id, VOID, "interrupted")
        study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        if START in trial.user_attrs:
            again.append(trial.number)
    return again


def _is_complete(study: Study, params: Mapping[str, Any]) -> bool:
    return set(params) == set(distributions(study.space))


def _finish(study: Study, trial: FrozenTrial) -> None:
    from fracdse.search.asking import tell

    handle = optuna.Trial(study.optuna_study, trial._trial_id)
    outcome = Outcome.from_dict(trial.user_attrs[RESULT])
    tell(study.optuna_study, handle, outcome, list(study.space.objectives))
