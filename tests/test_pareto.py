"""Pareto fronts and hypervolumes, against definitions written out plainly."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.pareto import hypervolume, nondominated


def plain_front(costs: list[tuple[int, ...]]) -> list[bool]:
    def dominates(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    return [not any(dominates(other, cost) for other in costs) for cost in costs]


@given(st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 4)] * m), min_size=1, max_size=30)))
def test_front_equals_the_definition_with_ties_and_duplicates(costs: list[tuple[int, ...]]) -> None:
    directions = ["minimize"] * len(costs[0])
    assert nondominated(np.array(costs, dtype=float), directions).tolist() == plain_front(costs)


def test_directions_may_be_mixed() -> None:
    values = np.array([[0.9, 10], [0.8, 5], [0.8, 6], [0.9, 10], [0.7, 5]])
    assert nondominated(values, ["maximize", "minimize"]).tolist() == [True, True, False, True, False]


def test_rows_that_are_not_numbers_are_never_on_the_front() -> None:
    values = np.array([[np.nan, 0.0], [1.0, 1.0]])
    assert nondominated(values, ["minimize", "minimize"]).tolist() == [False, True]


def test_an_empty_table_has_an_empty_front() -> None:
    assert nondominated(np.empty((0, 3)), ["minimize"] * 3).tolist() == []


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        nondominated(np.zeros((2, 2)), ["minimize"])


@given(st.integers(1, 5).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 5)] * m), min_size=1, max_size=8)))
def test_hypervolume_counts_the_unit_cells_that_are_dominated(costs: list[tuple[int, ...]]) -> None:
    m = len(costs[0])
    cells = np.stack(np.meshgrid(*[np.arange(5)] * m, indexing="ij"), -1).reshape(-1, m)
    dominated = np.zeros(len(cells), dtype=bool)
    for cost in costs:
        dominated |= (cells >= np.array(cost)).all(axis=1)
    assert hypervolume(np.array(costs, dtype=float), ["minimize"] * m, [5.0] * m) == pytest.approx(dominated.sum())


def test_hypervolume_of_a_maximised_objective() -> None:
    assert hypervolume(np.array([[0.9, 2.0]]), ["maximize", "minimize"], [0.5, 4.0]) == pytest.approx(0.8)


def test_hypervolume_of_a_large_front_of_eight_objectives() -> None:
    cells = np.array(list(itertools.product(range(4), repeat=8)), dtype=float)
    front = cells[cells.sum(axis=1) == 3]
    assert len(front) == 120
    assert hypervolume(front, ["minimize"] * 8, [4.0] * 8) == pytest.approx((cells.sum(axis=1) >= 3).sum())
