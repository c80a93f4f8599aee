"""Successive halving for several objectives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.network.folder import load_tensors
from fracdse.search.asking import RUNGS
from fracdse.search.driver import Plan, drive
from fracdse.search.loop import Budget
from fracdse.search.objective import AtRung, checkpoint_file, evaluate_step
from fracdse.search.params import all_params
from fracdse.search.problem import StudyData, make_problem
from fracdse.search.rungs import crowding_distance, order_of_merit, verdict
from fracdse.search.study import create_study
from fracdse.search.trial_facts import Outcome
from fracdse.space import load_space

DIRECTIONS = ["maximize", "minimize"]


def test_fronts_come_before_crowding() -> None:
    values = np.array([[0.5, 5.0], [0.9, 9.0], [0.1, 1.0], [0.4, 6.0], [0.6, 5.5]])
    assert order_of_merit(values, DIRECTIONS).tolist() == [1, 2, 0, 4, 3]


def test_crowding_of_ends_is_infinite_and_ties_do_no_harm() -> None:
    distances = crowding_distance(np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0]]))
    assert distances.tolist() == [np.inf, 2.0, np.inf]
    assert np.isinf(crowding_distance(np.array([[1.0, 1.0]]))).all()
    assert not np.isnan(crowding_distance(np.ones((4, 2)))).any()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 9)), min_size=4, max_size=20))
def test_about_half_of_a_batch_goes_on(rows: list[tuple[float, float]]) -> None:
    values = np.array(rows)
    kept = sum(not verdict(list(values[i]), np.delete(values, i, axis=0), DIRECTIONS, 3) for i in range(len(values)))
    assert kept >= (len(values) + 1) // 2
    assert sorted(order_of_merit(values, DIRECTIONS).tolist()) == list(range(len(values)))


def test_few_trials_are_not_compared() -> None:
    assert verdict([0.0, 9.0], np.array([[1.0, 1.0]] * 2), DIRECTIONS, 3) == ""
    said = verdict([0.0, 9.0], np.array([[1.0, 1.0]] * 3), DIRECTIONS, 3)
    assert said == "stopped after 3 epochs: place 4 of 4 by front and crowding; the first 2 go on"
    assert verdict([0.0, 9.0], np.array([[1.0, 1.0]] * 3), DIRECTIONS, 1).startswith("stopped after 1 epoch: place 4")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_stops_trials_at_rungs(workers: int, tiny_data: StudyData) -> None:
    changes = ("data.samples=120", "network.depth=8", "network.width=[4, 8]", "proxy.epochs=3", "proxy.rungs=[1, 2]")
    space = load_space("digits", changes)
    study = create_study("halving", space)

    class Silent:
        def started(self, number: int, design: object) -> None: ...
        def finished(self, record: object) -> None: ...
        def dropped(self, number: int) -> None: ...

    drive(study, tiny_data, Plan("random", Budget(8), workers), Silent())
    records = study.records()
    assert len(records) == 8
    stopped = [record for record in records if record.state == "pruned"]
    assert stopped
    assert all(": place" in record.reason and record.accuracy is not None for record in stopped)
    trials = study.optuna_study.get_trials()
    assert all("1" in trials[record.number].user_attrs[RUNGS] for record in records)
    assert any(record.state == "complete" and "2" in trials[record.number].user_attrs[RUNGS] for record in records)
    assert not list((study.folder / "checkpoints").iterdir())


def test_a_rung_after_epochs_of_real_weights_is_on_the_way_of_one_training(tiny_data: StudyData) -> None:
    small = ["data.samples=120", "network.depth=8", "network.width=4", "proxy.epochs=2", "proxy.real_epochs=1"]
    halted = make_problem(load_space("digits", [*small, "proxy.rungs=[1]"]), tiny_data)
    straight = make_problem(load_space("digits", small), tiny_data)
    design = halted.space.design(next(all_params(halted.space)))
    at = evaluate_step(halted, design, 3, Path("waiting"))
    assert isinstance(at, AtRung)
    assert at.epoch == 1
    file = checkpoint_file(Path("waiting"), design, 3)
    # One epoch of real weights, which is no rung's, and one of binary ones.
    assert [record["phase"] for record in load_tensors(file)["history"]] == ["real weights", "binary weights"]
    ended = evaluate_step(halted, design, 3, Path("waiting"), at)
    anew = evaluate_step(halted, design, 3, Path("elsewhere"), at)
    whole = evaluate_step(straight, design, 3, Path("waiting"))
    assert isinstance(ended, Outcome)
    assert isinstance(anew, Outcome)
    assert isinstance(whole, Outcome)
    assert all("training" in outcome.seconds for outcome in (ended, anew, whole))
    assert ended.accuracy == anew.accuracy == whole.accuracy
    assert ended.gates == anew.gates == whole.gates
    assert not file.exists()
    assert not checkpoint_file(Path("elsewhere"), design, 3).exists()


def test_a_teacher_is_trained_once_for_the_rungs_of_designs_that_share_it(tiny_data: StudyData) -> None:
    changes = ["data.samples=120", "network.depth=8", "network.width=4", "proxy.epochs=2", "proxy.rungs=[1]"]
    problem = make_problem(load_space("digits", [*changes, "proxy.logit_weight=0.5"]), tiny_data)
    folder = Path("waiting")
    params = [params for params in all_params(problem.space) if params["network.thermometer_resolution"] == 16]
    written = set()
    for each in params[:2]:
        design = problem.space.design(each)
        at = evaluate_step(problem, design, 3, folder)
        assert isinstance(at, AtRung)
        outcome = evaluate_step(problem, design, 3, folder, at)
        assert isinstance(outcome, Outcome)
        assert outcome.state == "complete"
        (teacher,) = (folder / "teachers").glob("*.pt")
        written.add(teacher.stat().st_ino)
    assert len(written) == 1
