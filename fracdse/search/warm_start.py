"""Reuse the trials of an earlier study whose designs still fit the space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optuna.trial import FrozenTrial, TrialState, create_trial

from fracdse.errors import StudyError
from fracdse.records import TrialRecord
from fracdse.search.constraints import total_violation
from fracdse.search.driver import data_fingerprint
from fracdse.search.objective import check_hardware, objective_values
from fracdse.search.params import distributions, params_key
from fracdse.search.study import Study
from fracdse.search.trial_facts import RESULT, REUSED, START, Outcome, start_facts


@dataclass(frozen=True)
class Reused:
    """How many trials of an earlier study were taken over, and why the others were not."""

    taken: int
    not_in_space: int
    not_complete: int


def warm_start(study: Study, earlier: Study) -> Reused:
    """Add the finished trials of `earlier` to a new study, with their accuracy and gates and hardware computed anew.

    They do not count as trials. Only results of the same data and the same proxy mean the same, so others are refused.

    Raises:
        StudyError: The earlier study has other data, another proxy or another version, or no fitting trial.
    """
    _check_comparable(study, earlier)
    known = {params_key(trial.params) for trial in study.optuna_study.get_trials(deepcopy=False)}
    complete = [record for record in earlier.records() if record.state == "complete"]
    fitting = [trial for trial in (_as_trial(study, record) for record in complete) if trial is not None]
    fresh = [trial for trial in fitting if params_key(trial.params) not in known]
    if complete and not fitting:
        raise StudyError(
            f"none of the {len(complete)} complete trials of study '{earlier.name}' fits the space of '{study.name}'"
        )
    for trial in fresh:
        study.optuna_study.add_trial(trial)
    return Reused(len(fresh), len(complete) - len(fitting), len(earlier.records()) - len(complete))


def _as_trial(study: Study, record: TrialRecord) -> FrozenTrial | None:
    params = study.space.params_of(record.design)
    if params is None or record.accuracy is None:
        return None
    outcome = _evaluated_again(study, record)
    kinds = distributions(study.space)
    facts = {START: start_facts(record.design, record.seed, REUSED), RESULT: outcome.to_dict()}
    complete = outcome.state == "complete"
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        values=objective_values(outcome, study.space.objectives) if complete else None,
        params=dict(params),
        distributions=kinds,
        user_attrs=facts,
        constraints={"violation": total_violation(outcome.violations)},
    )


def _evaluated_again(study: Study, record: TrialRecord) -> Outcome:
    outcome = check_hardware(study.space, record.design, record.gates)
    if outcome.state != "complete":
        return outcome
    return replace(outcome, accuracy=record.accuracy, seconds=dict(record.seconds))


def _check_comparable(study: Study, earlier: Study) -> None:
    differences: Iterator[str] = (
        name
        for name, same in {
            "proxy": study.space.proxy == earlier.space.proxy,
            "version of fracdse": study.version == earlier.version,
            "data": data_fingerprint(study) == data_fingerprint(earlier),
        }.items()
        if not same
    )
    for name in differences:
        raise StudyError(
            f"study '{earlier.name}' has another {name} than '{study.name}', so its accuracies mean something else",
            hint="Start without --from; what was trained the same way is still found in the cache.",
        )
