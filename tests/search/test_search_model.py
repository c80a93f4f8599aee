"""The default sampler: exact gains, sensible proposals."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.pareto import hypervolume
from fracdse.search.accuracy_model import AccuracyModel, Encoder
from fracdse.search.expected_gain import expected_gains
from fracdse.search.objective import check_hardware, objective_values
from fracdse.search.params import all_params, params_key, suggest
from fracdse.search.samplers import make_sampler
from fracdse.search.training_cost import training_cost
from fracdse.search.trial_facts import RESULT
from fracdse.space import SearchSpace, load_space

UNIT = st.floats(0.05, 0.95)
BOXES = st.integers(0, 3).flatmap(
    lambda m: st.tuples(
        st.lists(st.tuples(UNIT, *[UNIT] * m), min_size=1, max_size=4),
        st.lists(st.tuples(UNIT, *[UNIT] * m), max_size=6),
    )
)


@given(BOXES)
def test_a_certain_accuracy_gains_the_difference_of_volumes(
    boxes: tuple[list[tuple[float, ...]], list[tuple[float, ...]]],
) -> None:
    designs, known = np.array(boxes[0]), np.array(boxes[1], dtype=float).reshape(len(boxes[1]), len(boxes[0][0]))
    gains = expected_gains(designs[:, 1:], designs[:, 0], np.full(len(designs), 1e-9), known[:, 1:], known[:, 0])
    ways = ["maximize"] + ["minimize"] * (known.shape[1] - 1)
    bound = [0.0] + [1.0] * (known.shape[1] - 1)
    before = hypervolume(known, ways, bound) if len(known) else 0.0
    after = [hypervolume(np.vstack([known, design]), ways, bound) for design in designs]
    assert gains == pytest.approx(np.array(after) - before, abs=1e-6)


def test_an_uncertain_accuracy_gains_the_mean() -> None:
    generator = np.random.default_rng(0)
    known = np.array([[0.6, 0.5, 0.5], [0.8, 0.7, 0.2]])
    costs, ways = np.array([0.4, 0.6]), ["maximize", "minimize", "minimize"]
    drawn = generator.normal(0.7, 0.1, 4000)
    before = hypervolume(known, ways, [0, 1, 1])
    gains = [hypervolume(np.vstack([known, [a, *costs]]), ways, [0, 1, 1]) - before for a in drawn]
    expected = expected_gains(costs[None], np.array([0.7]), np.array([0.1]), known[:, 1:], known[:, 0])
    assert expected == pytest.approx([np.mean(gains)], rel=0.03)


def test_costs_beyond_the_bound_gain_nothing() -> None:
    one = np.ones(1)
    assert expected_gains(np.array([[0.5, 1.2]]), one, one, np.zeros((0, 2)), np.zeros(0)).tolist() == [0.0]


def test_the_model_learns_a_trend() -> None:
    space = load_space("digits")
    rows = list(all_params(space))
    inputs = Encoder(space.searched).encode(rows)
    accuracies = np.array([0.7 + 0.02 * row["network.width"] / 4 - 0.01 * row["network.si_width"] for row in rows])
    shown = np.arange(0, len(rows), 7)
    model = AccuracyModel(inputs[shown], accuracies[shown], np.zeros(len(shown), dtype=bool))
    assert np.abs(model.predict(inputs).mean - accuracies).max() < 0.02


def test_the_model_is_fitted_to_few_trials_of_many_and_keeps_the_front() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.random((3000, 2))
    accuracies = 0.5 + 0.3 * inputs[:, 0]
    front = np.zeros(3000, dtype=bool)
    front[:10] = True
    model = AccuracyModel(inputs, accuracies, front)
    assert len(model._inputs) == 120
    assert (model._inputs[:10] == inputs[:10]).all()
    assert np.abs(model.predict(inputs).mean - accuracies).max() < 0.03


def test_a_believer_is_surer_where_results_are_awaited_and_expects_the_same() -> None:
    inputs = np.random.default_rng(0).random((12, 2))
    model = AccuracyModel(inputs, inputs[:, 0], np.zeros(12, dtype=bool))
    awaited = np.array([[0.95, 0.05]])
    before, after = model.predict(awaited), model.believing(awaited).predict(awaited)
    assert after.deviation[0] < before.deviation[0]
    assert after.mean[0] == pytest.approx(before.mean[0], abs=0.02)
    assert model.believing(np.zeros((0, 2))) is model


def test_training_costs_follow_the_table_of_trainings() -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "tables" / "digits.csv"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    space = load_space("digits", ["network.depth=8"])
    costs, seconds = [], []
    for row in csv.DictReader(lines):
        params = {name: json.loads(text) for name, text in row.items() if name.startswith("network.")}
        costs.append(training_cost(space.design(params), space.proxy.batch_size))
        seconds.append(float(row["seconds_6"]))
    assert len(costs) >= 81
    assert np.corrcoef(costs, seconds)[0, 1] > 0.8


def test_infeasible_designs_are_not_proposed_while_others_are_left() -> None:
    space = load_space("digits", ['constraints.dsp="<= 20"'])
    feasible = {params_key(p) for p in all_params(space) if check_hardware(space, space.design(p)).state == "complete"}
    assert 0 < len(feasible) < space.size
    proposed = [params_key(params) for params in _search(space, 8)]
    assert len(set(proposed)) == 8
    assert set(proposed) <= feasible


def test_the_default_beats_chance_on_a_known_surface() -> None:
    space = load_space("digits")
    volumes = {}
    for sampler in ("model", "random"):
        reached = []
        for seed in range(2):
            rows = [_values(space, params) for params in _search(space, 10, sampler, seed)]
            reached.append(hypervolume(np.array(rows), list(space.objectives.values()), [0.0, 200.0, 200.0]))
        volumes[sampler] = float(np.mean(reached))
    assert volumes["model"] > volumes["random"]


def _accuracy(params: dict[str, float]) -> float:
    rise = (
        0.06 * np.log2(params["network.width"]) + 0.002 * params["network.depth"] + 0.004 * params["network.si_width"]
    )
    fall = 0.02 * abs(np.log2(params["network.thermometer_resolution"]) - 4)
    return float(0.6 + rise - fall)


def _values(space: SearchSpace, params: dict[str, float]) -> list[float]:
    outcome = replace(check_hardware(space, space.design(params)), accuracy=_accuracy(params))
    return objective_values(outcome, space.objectives)


def _search(space: SearchSpace, count: int, sampler: str = "model", seed: int = 1) -> list[dict[str, float]]:
    """Return what a sampler proposes where accuracy is a known function."""
    study = optuna.create_study(directions=list(space.objectives.values()), sampler=make_sampler(sampler, space, seed))
    proposed = []
    for _ in range(count):
        trial = study.ask()
        params = suggest(trial, space)
        outcome = check_hardware(space, space.design(params))
        known = replace(outcome, accuracy=_accuracy(params), seconds={"training": 1.0})
        trial.set_user_attr(RESULT, known.to_dict())
        study.tell(trial, objective_values(known, space.objectives))
        proposed.append(params)
    return proposed
