"""Store how a trial ended, and tell the sampler."""

from __future__ import annotations

from contextlib import suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from fracdse.search.constraints import tell_constraints
from fracdse.search.objective import objective_values
from fracdse.search.trial_facts import RESULT, Outcome


def tell(study: optuna.Study, trial: optuna.Trial, outcome: Outcome, objectives: list[str]) -> None:
    """Store the outcome of a trial: its facts first, then its state; nothing where another process has ended it."""
    if study.get_trials(deepcopy=False)[trial.number].state.is_finished():
        return
    with suppress(UpdateFinishedTrialError):
        trial.set_user_attr(RESULT, outcome.to_dict())
        tell_sampler(study, trial, outcome, objectives)


def tell_sampler(study: optuna.Study, trial: optuna.Trial, outcome: Outcome, objectives: list[str]) -> None:
    """Mark a trial finished, with its objective values or as one that has none."""
    tell_constraints(trial, outcome.violations)
    if outcome.state == "complete":
        study.tell(trial, objective_values(outcome, objectives))
    else:
        study.tell(trial, state=TrialState.FAIL if outcome.state == "failed" else TrialState.PRUNED)
