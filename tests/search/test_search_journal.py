"""The journal: what it reads is what Optuna would read, whole lines only, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution, distribution_to_json
from optuna.storages.journal._storage import JournalOperation as Op
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import FrozenTrial

from fracdse.errors import StudyError
from fracdse.search.journal_entries import folded
from fracdse.search.storage import file_storage

KINDS = {"width": IntDistribution(1, 9), "body": CategoricalDistribution(["a", "b"])}
MOMENT = "2026-01-02T03:04:05+00:00"
STUDY = {"op_code": Op.CREATE_STUDY, "worker_id": "w", "study_name": "s", "directions": [2, 1]}


def _entry(operation: int, **fields: Any) -> dict[str, Any]:
    return {"op_code": operation, "worker_id": "w", **fields}


TRIAL_IDS = st.integers(0, 4)
STATES = st.sampled_from([0, 1, 2, 3])
ENTRIES = st.one_of(
    st.builds(lambda: _entry(Op.CREATE_TRIAL, study_id=0, datetime_start=MOMENT)),
    st.builds(
        lambda value: _entry(
            Op.CREATE_TRIAL, study_id=0, datetime_start=None, state=4, system_attrs={"fixed_params": {"width": value}}
        ),
        st.integers(1, 9),
    ),
    st.builds(
        lambda trial, name: _entry(
            Op.SET_TRIAL_PARAM,
            trial_id=trial,
            param_name=name,
            param_value_internal=1,
            distribution=distribution_to_json(KINDS[name]),
        ),
        TRIAL_IDS,
        st.sampled_from(list(KINDS)),
    ),
    st.builds(
        lambda trial, state, values: _entry(
            Op.SET_TRIAL_STATE_VALUES,
            trial_id=trial,
            state=state,
            values=values,
            datetime_start=MOMENT,
            datetime_complete=MOMENT,
        ),
        TRIAL_IDS,
        STATES,
        st.sampled_from([None, [0.5, 3.0]]),
    ),
    st.builds(
        lambda trial, key, value: _entry(Op.SET_TRIAL_USER_ATTR, trial_id=trial, user_attr={key: value}),
        TRIAL_IDS,
        st.sampled_from("ab"),
        st.integers(),
    ),
    st.builds(
        lambda trial, key: _entry(Op.SET_TRIAL_SYSTEM_ATTR, trial_id=trial, system_attr={key: [1]}),
        TRIAL_IDS,
        st.sampled_from("ab"),
    ),
    st.builds(
        lambda trial, step: _entry(Op.SET_TRIAL_INTERMEDIATE_VALUE, trial_id=trial, step=step, intermediate_value=0.25),
        TRIAL_IDS,
        st.integers(0, 2),
    ),
    st.builds(lambda key: _entry(Op.SET_STUDY_USER_ATTR, study_id=0, user_attr={key: 1}), st.sampled_from("ab")),
)


def _replayed(entries: list[dict[str, Any]], fold: bool) -> tuple[list[FrozenTrial], dict[str, Any]]:
    # A copy for each: a replay keeps parts of the entries.
    copies = json.loads(json.dumps([STUDY, *entries]))
    replay = JournalStorageReplayResult("reader")
    replay.apply_logs(folded(copies) if fold else copies)
    return replay.get_all_trials(0, None), replay.get_study(0).user_attrs


@given(st.lists(ENTRIES, max_size=40))
def test_folded_entries_leave_the_study_that_all_entries_leave(entries: list[dict[str, Any]]) -> None:
    assert _replayed(entries, fold=True) == _replayed(entries, fold=False)


def _journal_of_two_trials(folder: Path) -> Path:
    study = optuna.create_study(study_name="s", storage=file_storage(folder))
    for number in range(2):
        trial = study.ask(KINDS)
        trial.set_user_attr("fact", number)
        study.tell(trial, 1.0)
    return folder / "journal.log"


def test_a_reader_follows_what_others_append(tmp_path: Path) -> None:
    _journal_of_two_trials(tmp_path)
    reader = optuna.load_study(study_name="s", storage=file_storage(tmp_path))
    writer = optuna.load_study(study_name="s", storage=file_storage(tmp_path))
    assert len(reader.trials) == 2
    for number in range(3):
        trial = writer.ask(KINDS)
        trial.set_user_attr("fact", number)
        assert reader.trials[trial.number].params == trial.params
        writer.tell(trial, 2.0)
        assert reader.trials[trial.number].value == 2.0
        own = reader.ask(KINDS)
        reader.tell(own, 3.0)
        reader, writer = writer, reader
    again = optuna.load_study(study_name="s", storage=file_storage(tmp_path))
    assert again.trials == reader.trials == writer.trials
    assert [trial.number for trial in again.trials] == list(range(8))


def test_trials_of_a_journal_share_their_distributions(tmp_path: Path) -> None:
    _journal_of_two_trials(tmp_path)
    study = optuna.load_study(study_name="s", storage=file_storage(tmp_path))
    first, second = study.get_trials(deepcopy=False)
    assert first.distributions["body"] is second.distributions["body"]


@pytest.mark.parametrize("damage", [b'{"op_code": 4, \n', b"[4]\n", b"{}\n", b"\xff\n", b"\n"])
def test_a_damaged_line_is_named(damage: bytes, tmp_path: Path) -> None:
    journal = _journal_of_two_trials(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], damage, *lines[3:]]))
    with pytest.raises(StudyError, match="line 4 is damaged"):
        file_storage(tmp_path)


def test_a_torn_last_line_is_no_entry_and_is_set_aside_by_the_next_append(tmp_path: Path) -> None:
    journal = _journal_of_two_trials(tmp_path)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "stu')
    study = optuna.load_study(study_name="s", storage=file_storage(tmp_path))
    assert len(study.trials) == 2
    study.tell(study.ask(KINDS), 4.0)
    assert len(optuna.load_study(study_name="s", storage=file_storage(tmp_path)).trials) == 3
    assert journal.with_suffix(".torn").read_bytes() == b'{"op_code": 4, "stu\n'


def test_numbers_that_are_none_survive(tmp_path: Path) -> None:
    journal = _journal_of_two_trials(tmp_path)
    with journal.open("a") as file:
        file.write(json.dumps(_entry(Op.SET_STUDY_USER_ATTR, study_id=0, user_attr={"x": float("inf")})) + "\n")
    assert optuna.load_study(study_name="s", storage=file_storage(tmp_path)).user_attrs["x"] == float("inf")
