"""Reuse the trials of an earlier study whose designs still fit the space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from optuna.trial import FrozenTrial, TrialState, create_trial

from fracdse import __version__
from fracdse.errors import StudyError
from fracdse.records import TrialRecord
from fracdse.search.constraints import total_violation
from fracdse.search.driver import data_fingerprint
from fracdse.search.objective import check_hardware, objective_values
from fracdse.search.params import distributions, params_key
from fracdse.search.study import Study
from fracdse.search.trial_facts import RESULT, REUSED, START, Outcome, has_tried, start_facts
from fracdse.space import SearchSpace


@dataclass(frozen=True)
class Reusable:
    """Trials of an earlier study for a new one, and how many were left out and why."""

    trials: tuple[FrozenTrial, ...]
    not_in_space: int
    not_complete: int


def reusable_trials(space: SearchSpace, fingerprint: str, earlier: Study) -> Reusable:
    """Return the finished trials of `earlier` that fit a space: accuracy and gates kept, hardware computed anew.

    Only results of the same data, by its `fingerprint`, and the same proxy mean the same, so others are refused.

    Raises:
        StudyError: The earlier study has other data, another proxy or another version, or no fitting trial.
    """
    _check_comparable(space, fingerprint, earlier)
    records = earlier.records()
    complete = [record for record in records if record.state == "complete"]
    fitting = [trial for trial in (_as_trial(space, record) for record in complete) if trial is not None]
    if complete and not fitting:
        raise StudyError(
            f"none of the {len(complete)} complete trials of study '{earlier.name}' fits the space '{space.name}'"
        )
    return Reusable(tuple(fitting), len(complete) - len(fitting), len(records) - len(complete))


def take_over(study: Study, trials: Iterable[FrozenTrial]) -> int:
    """Add trials of an earlier study whose designs the study does not have yet, and return how many.

    They do not count as trials.
    """
    known = {params_key(trial.params) for trial in study.optuna_study.get_trials(deepcopy=False) if has_tried(trial)}
    fresh = [trial for trial in trials if params_key(trial.params) not in known]
    for trial in fresh:
        study.optuna_study.add_trial(trial)
    return len(fresh)


def _as_trial(space: SearchSpace, record: TrialRecord) -> FrozenTrial | None:
    params = space.params_of(record.design)
    if params is None or record.accuracy is None:
        return None
    outcome = _evaluated_again(space, record)
    kinds = distributions(space)
    facts = {START: start_facts(record.design, record.seed, REUSED), RESULT: outcome.to_dict()}
    complete = outcome.state == "complete"
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        values=objective_values(outcome, space.objectives) if complete else None,
        params=dict(params),
        distributions=kinds,
        user_attrs=facts,
        constraints={"violation": total_violation(outcome.violations)},
    )


def _evaluated_again(space: SearchSpace, record: TrialRecord) -> Outcome:
    outcome = check_hardware(space, record.design, record.gates)
    if outcome.state != "complete":
        return outcome
    return replace(outcome, accuracy=record.accuracy, seconds=dict(record.seconds))


def _check_comparable(space: SearchSpace, fingerprint: str, earlier: Study) -> None:
    same = {
        "another proxy": space.proxy == earlier.space.proxy,
        "another version of fracdse": earlier.version == __version__,
        "other data": data_fingerprint(earlier) == fingerprint,
    }
    for difference in (name for name, holds in same.items() if not holds):
        raise StudyError(
            f"study '{earlier.name}' was made with {difference}, so its accuracies mean something else here",
            hint="Start without --from; what was trained the same way is still found in the cache.",
        )
