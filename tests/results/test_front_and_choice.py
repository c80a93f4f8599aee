"""The feasible front and the rules that choose from it."""

from dataclasses import replace

import pytest

from fracdse.errors import ConfigError, InfeasibleError
from fracdse.results.choose import choose
from fracdse.results.front import pareto_front

OBJECTIVES = {"accuracy": "maximize", "bram18": "minimize", "dsp": "minimize"}


def test_front_keeps_ties_and_drops_what_is_not_feasible(make_record) -> None:
    records = [
        make_record(0, 0.90, bram18=10),
        make_record(1, 0.90, bram18=10),
        make_record(2, 0.80, bram18=12),
        make_record(3, 0.99, bram18=1, violations={"lut": 0.2}),
        make_record(4, None, state="failed", reason="out of memory"),
        make_record(5, 0.70, bram18=2),
    ]
    assert [record.number for record in pareto_front(records, OBJECTIVES)] == [0, 1, 5]


def test_a_design_tried_twice_is_listed_once(make_record) -> None:
    first = make_record(0, 0.9)
    assert [r.number for r in pareto_front([replace(first, number=7), first], OBJECTIVES)] == [0]


def test_knee_is_the_point_closest_to_the_ideal(make_record) -> None:
    records = [make_record(0, 0.95, bram18=100), make_record(1, 0.93, bram18=20), make_record(2, 0.50, bram18=10)]
    choice = choose(records, "knee", OBJECTIVES)
    assert choice.record.number == 1
    assert [record.number for record in choice.runners_up] == [0, 2]


@pytest.mark.parametrize(("rule", "number"), [("accuracy", 0), ("bram18", 2), ("lut", 0)])
def test_rules_by_one_figure(make_record, rule: str, number: int) -> None:
    records = [make_record(0, 0.95, bram18=100), make_record(1, 0.93, bram18=20), make_record(2, 0.50, bram18=10)]
    assert choose(records, rule, OBJECTIVES).record.number == number


def test_an_unknown_rule_and_an_empty_front(make_record) -> None:
    with pytest.raises(ConfigError, match=r"--by acuracy: no such rule .did you mean 'accuracy'"):
        choose([make_record(0, 0.9)], "acuracy", OBJECTIVES)
    with pytest.raises(InfeasibleError, match="no trial of this study"):
        choose([make_record(0, None, state="failed")], "knee", OBJECTIVES)
