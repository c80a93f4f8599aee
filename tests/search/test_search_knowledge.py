"""What a search knows before a trial, which designs are hopeless, and that seeds repeat searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from fracdse.search.asking import Asker
from fracdse.search.driver import Plan, drive
from fracdse.search.hopeless import hopeless
from fracdse.search.knowledge import Memory, trainings_at_last_fit
from fracdse.search.loop import Budget
from fracdse.search.objective import check_hardware
from fracdse.search.params import all_params, distributions
from fracdse.search.problem import StudyData
from fracdse.search.samplers import make_sampler
from fracdse.search.study import Study, create_study
from fracdse.search.trial_facts import RESULT, START, VOID
from fracdse.space import SearchSpace, load_space


class Silent:
    """Hears everything and says nothing."""

    def started(self, number: int, design: object) -> None: ...
    def finished(self, record: object) -> None: ...
    def dropped(self, number: int) -> None: ...


def _trial(space: SearchSpace, place: int, accuracy: float | None, **facts: Any) -> optuna.trial.FrozenTrial:
    """Return a trial of the space's design at a place: finished with an accuracy, or running."""
    params = list(all_params(space))[place]
    attributes: dict[str, Any] = {START: {"owner": "x"}, **facts}
    if accuracy is None:
        state, values = optuna.trial.TrialState.RUNNING, None
    else:
        outcome = replace(check_hardware(space, space.design(params)), accuracy=accuracy)
        attributes[RESULT] = outcome.to_dict()
        state, values = optuna.trial.TrialState.COMPLETE, [accuracy, 1.0, 1.0]
    return optuna.trial.create_trial(
        state=state, values=values, params=params, distributions=distributions(space), user_attrs=attributes
    )


def _numbered(trials: list[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
    for number, trial in enumerate(trials):
        trial.number = number
    return trials


def test_knowledge_tells_results_from_trainings_to_come() -> None:
    space = load_space("digits")
    trials = _numbered(
        [
            _trial(space, 0, 0.9),
            _trial(space, 1, None),
            _trial(space, 2, 0.8, **{VOID: "repeats trial 0"}),
            _trial(space, 3, None, **{START: {"owner": "x", "refused": True}}),
            _trial(space, 4, 0.7),
        ]
    )
    knowledge = Memory(space).before(trials, 5)
    assert list(knowledge.trained.numbers) == [0, 4]
    assert len(knowledge.pending) == 1
    assert len(knowledge.tried) == 5
    assert Memory(space).before(trials, 4).trained.numbers[-1] == 0


def test_many_trainings_take_over_a_kernel_whoever_asks_first() -> None:
    space = load_space("digits")
    trials = _numbered([_trial(space, place, 0.5 + place % 7 / 100) for place in range(108)])
    along, late = Memory(space), Memory(space)
    thetas = [along.before(trials, number).model.kernel.theta for number in (100, 104, 107, 108)]
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[1], thetas[2])
    assert np.array_equal(thetas[2], thetas[3])
    ours, theirs = along.before(trials, 108).model, late.before(trials, 108).model
    points = along.encoder.encode(list(all_params(space)))
    assert np.array_equal(ours.predict(points).mean, theirs.predict(points).mean)
    assert [trainings_at_last_fit(count) for count in (0, 100, 104, 105, 110, 111)] == [0, 100, 100, 105, 105, 111]


def test_a_trial_is_read_when_it_is_finished_whatever_came_between() -> None:
    space = load_space("digits")
    memory = Memory(space)
    first = _numbered([_trial(space, 0, None), _trial(space, 1, 0.6)])
    assert list(memory.before(first, 2).trained.numbers) == [1]
    then = _numbered([_trial(space, 0, 0.9), _trial(space, 1, 0.6), _trial(space, 2, None)])
    known = memory.before(then, 3)
    assert list(known.trained.numbers) == [0, 1]
    assert list(known.trained.accuracies) == [0.9, 0.6]
    assert known.trained.params[0] == then[0].params
    assert len(known.pending) == 1


def test_with_a_lag_the_order_of_finishing_does_not_matter() -> None:
    space = load_space("digits")
    finished = _numbered([_trial(space, place, 0.5 + place / 100) for place in range(6)])
    unfinished = _numbered([_trial(space, place, 0.5 + place / 100 if place < 3 else None) for place in range(6)])
    memory, other = Memory(space, lag=3), Memory(space, lag=3)
    assert not memory.must_wait(unfinished)
    first, second = memory.before(finished, 6), other.before(unfinished, 6)
    assert list(first.trained.numbers) == list(second.trained.numbers) == [0, 1, 2]
    assert [list(point) for point in first.pending] == [list(point) for point in second.pending]
    earlier = _numbered([_trial(space, place, None if place == 2 else 0.5) for place in range(6)])
    assert Memory(space, lag=3).must_wait(earlier)
    assert not Memory(space).must_wait(earlier)


def test_a_refused_design_does_not_count_as_a_training_to_wait_for() -> None:
    space = load_space("digits")
    refused = {START: {"owner": "x", "refused": True}}
    trials = [_trial(space, 0, None), *(_trial(space, place, None, **refused) for place in range(1, 9))]
    assert not Memory(space, lag=1).must_wait(_numbered(trials))


def test_a_design_without_hope_is_refused_with_its_rival() -> None:
    space = load_space("digits", ["network.depth=8"])
    designs = list(all_params(space))
    narrow = [n for n, p in enumerate(designs) if p["network.width"] == 4][:10]
    trials = _numbered([_trial(space, place, 0.95) for place in narrow])
    memory = Memory(space)
    knowledge = memory.before(trials, len(trials))
    wide = next(p for p in designs if p["network.width"] == 16 and p["network.si_width"] == 4)
    poor = Memory(space)
    bad = _numbered([*trials, *(_trial(space, n, 0.3) for n, p in enumerate(designs) if p["network.width"] == 16)])
    outcome = check_hardware(space, space.design(wide))
    assert hopeless(memory, memory.before(trials[:5], 5), wide, outcome) == ""
    reason = hopeless(poor, poor.before(bad, len(bad)), wide, outcome)
    assert "reached 95.00% with no more hardware" in reason
    cheapest = min(designs, key=lambda p: memory.costs_of(_figures(space, p)))
    assert hopeless(memory, knowledge, cheapest, check_hardware(space, space.design(cheapest))) == ""


def _figures(space: SearchSpace, params: dict[str, Any]) -> dict[str, float]:
    outcome = check_hardware(space, space.design(params))
    assert outcome.hardware is not None
    return {name: figure.value for name, figure in outcome.hardware.items()}


@pytest.mark.parametrize("skip", [True, False])
def test_a_search_refuses_hopeless_designs_in_milliseconds(skip: bool, tiny_data: StudyData) -> None:
    changes = ["network.depth=8", "network.width=[4, 16]", f"search.skip_hopeless={str(skip).lower()}"]
    space = load_space("digits", changes)
    study = create_study("hope", space)
    designs = list(all_params(space))
    for number, params in enumerate(designs):
        if params["network.thermometer_resolution"] != 16:
            study.optuna_study.add_trial(_trial(space, number, 0.9 if params["network.width"] == 4 else 0.3))
    asker = Asker(study, "x", make_sampler("random", space, 3))
    refused = []
    for _ in range(8):
        asked = asker.next(1000)
        assert asked is not None
        if asked.refused is not None:
            record = asker.tell(asked, asked.refused)
            assert (record.state, record.accuracy) == ("pruned", None)
            refused.append(record)
    assert bool(refused) == skip
    assert all("not trained" in r.reason and sum(r.seconds.values()) < 1 for r in refused)
    assert all(r.design.network.width == 16 for r in refused)


@pytest.mark.parametrize("sampler", ["model", "random"])
def test_two_workers_repeat_a_search(sampler: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    found = []
    for name in ("first", "second"):
        study: Study = create_study(name, tiny_space)
        drive(study, tiny_data, Plan(sampler, Budget(9), workers=2), Silent())
        found.append([(r.number, dict(r.params), r.seed, r.accuracy, r.state) for r in study.records()])
    assert found[0] == found[1]
    assert len(found[0]) == 9
