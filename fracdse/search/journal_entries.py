"""The entries of Optuna's journal: parsed, and those of one trial folded into the entry that makes it.

A trial is made by one entry and given its parameters, attributes and state by about ten more. Optuna applies each of
them to a copy of the trial; folding them first opens a study of 20,000 trials in half the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import TrialState

Entry = dict[str, Any]


def parsed_entry(line: bytes) -> Entry:
    """Return a line of a journal as an entry.

    Raises:
        ValueError: The line is no JSON object with an operation code.
    """
    try:
        entry = orjson.loads(line)
    except ValueError:
        # Python writes numbers that JSON does not know, such as NaN, and orjson refuses them.
        entry = json.loads(line)
    if not isinstance(entry, dict) or not isinstance(entry.get("op_code"), int):
        raise ValueError("it is no object with an operation code")
    return entry


def folded(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries that leave a study as `entries` do: those of studies, then one for every trial, in their order.

    `entries` begin with the journal's first, and speak of one study.
    """
    trials: list[Entry] = []
    for entry in entries:
        operation = entry["op_code"]
        if operation == JournalOperation.CREATE_TRIAL:
            trials.append(entry)
        elif operation < JournalOperation.CREATE_TRIAL or operation not in _FOLDS:
            yield entry
        elif 0 <= entry["trial_id"] < len(trials):
            trial = trials[entry["trial_id"]]
            if not TrialState(trial.get("state", TrialState.RUNNING)).is_finished():
                _FOLDS[operation](trial, entry)
    yield from trials


def _set_param(trial: Entry, entry: Entry) -> None:
    trial.setdefault("params", {})[entry["param_name"]] = entry["param_value_internal"]
    trial.setdefault("distributions", {})[entry["param_name"]] = entry["distribution"]


def _set_state(trial: Entry, entry: Entry) -> None:
    state = TrialState(entry["state"])
    if state == TrialState.RUNNING:
        if trial.get("state", TrialState.RUNNING) == TrialState.RUNNING:
            return  # Another process was first to take the trial.
        trial["datetime_start"] = entry["datetime_start"]
    if state.is_finished():
        trial["datetime_complete"] = entry["datetime_complete"]
    trial["state"] = state
    if entry["values"] is not None:
        trial["values"] = entry["values"]


def _set_intermediate_value(trial: Entry, entry: Entry) -> None:
    trial.setdefault("intermediate_values", {})[entry["step"]] = entry["intermediate_value"]


def _set_user_attribute(trial: Entry, entry: Entry) -> None:
    trial.setdefault("user_attrs", {}).update(entry["user_attr"])


def _set_system_attribute(trial: Entry, entry: Entry) -> None:
    trial.setdefault("system_attrs", {}).update(entry["system_attr"])


_FOLDS = {
    JournalOperation.SET_TRIAL_PARAM: _set_param,
    JournalOperation.SET_TRIAL_STATE_VALUES: _set_state,
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE: _set_intermediate_value,
    JournalOperation.SET_TRIAL_USER_ATTR: _set_user_attribute,
    JournalOperation.SET_TRIAL_SYSTEM_ATTR: _set_system_attribute,
}
