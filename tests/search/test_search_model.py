"""The default sampler: exact gains, sensible proposals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.pareto import hypervolume
from fracdse.search.accuracy_model import AccuracyModel, Encoder
from fracdse.search.expected_gain import expected_gain
from fracdse.search.objective import check_hardware, objective_values
from fracdse.search.params import all_params, params_key, suggest
from fracdse.search.samplers import make_sampler
from fracdse.search.trial_facts import RESULT
from fracdse.space import SearchSpace, load_space

UNIT = st.floats(0.05, 0.95)


@given(st.tuples(UNIT, UNIT), UNIT, st.lists(st.tuples(UNIT, UNIT, UNIT), max_size=6))
def test_a_certain_accuracy_gains_the_difference_of_volumes(
    costs: tuple[float, float], accuracy: float, known: list[tuple[float, float, float]]
) -> None:
    table = np.array(known, dtype=float).reshape(len(known), 3)
    gain = expected_gain(np.array(costs), accuracy, 1e-9, table[:, 1:], table[:, 0])
    ways = ["maximize", "minimize", "minimize"]
    before = hypervolume(table, ways, [0, 1, 1]) if known else 0.0
    after = hypervolume(np.vstack([table, [accuracy, *costs]]), ways, [0, 1, 1])
    assert gain == pytest.approx(after - before, abs=1e-6)


def test_an_uncertain_accuracy_gains_the_mean() -> None:
    generator = np.random.default_rng(0)
    known = np.array([[0.6, 0.5, 0.5], [0.8, 0.7, 0.2]])
    costs, ways = np.array([0.4, 0.6]), ["maximize", "minimize", "minimize"]
    drawn = generator.normal(0.7, 0.1, 4000)
    before = hypervolume(known, ways, [0, 1, 1])
    gains = [hypervolume(np.vstack([known, [a, *costs]]), ways, [0, 1, 1]) - before for a in drawn]
    assert expected_gain(costs, 0.7, 0.1, known[:, 1:], known[:, 0]) == pytest.approx(np.mean(gains), rel=0.03)


def test_the_model_learns_a_trend() -> None:
    space = load_space("digits")
    rows = list(all_params(space))
    inputs = Encoder(space.searched).encode(rows)
    accuracies = np.array([0.7 + 0.02 * row["network.width"] / 4 - 0.01 * row["network.si_width"] for row in rows])
    shown = np.arange(0, len(rows), 7)
    predicted = AccuracyModel(inputs[shown], accuracies[shown]).predict(inputs)
    assert np.abs(predicted.mean - accuracies).max() < 0.02


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
