"""Parameters of a space: what Optuna may choose is what the space lists, and drawing never leaves it."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from fracdse.search.params import all_params, distributions, random_params, suggest
from fracdse.search.samplers import make_sampler
from fracdse.space import load_space

RANGES = [
    "network.gate_threshold={low=0.0, high=0.3, step=0.1}",
    "network.gate_threshold={low=0.1, high=0.75, step=0.2}",
    "network.gate_threshold={low=-64, high=64, step=0.00025}",
    "network.gate_threshold={low=1.0, high=2.0, log=true}",
    "network.depth={low=8, high=30, step=6}",
    "network.width={low=1, high=64, log=true}",
]


@pytest.mark.parametrize("change", RANGES)
@pytest.mark.filterwarnings("error")
def test_whatever_is_drawn_is_a_value_of_the_range(change: str) -> None:
    space = load_space("digits", [change])
    path = change.partition("=")[0]
    kind, generator = distributions(space)[path], np.random.default_rng(0)
    values = [random_params(space, generator)[path] for _ in range(50)]
    assert all(space.choices[path].contains(value) for value in values)
    assert all(kind._contains(kind.to_internal_repr(value)) for value in values)


@pytest.mark.parametrize("sampler", ["model", "random", "grid"])
def test_the_last_step_of_a_range_can_be_proposed(sampler: str) -> None:
    single = ["network.depth=8", "network.width=4", "network.si_width=0", "network.thermometer_resolution=16"]
    space = load_space("digits", [*single, RANGES[0]])
    study = optuna.create_study(
        directions=list(space.objectives.values()), sampler=make_sampler(sampler, space, seed=1)
    )
    chosen = [suggest(study.ask(), space)["network.gate_threshold"] for _ in range(12)]
    assert set(chosen) <= {params["network.gate_threshold"] for params in all_params(space)}
