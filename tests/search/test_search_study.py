"""Studies: made, run, interrupted, resumed, refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from fracdse.errors import InfeasibleError, StudyError
from fracdse.figures import Figure
from fracdse.search.asking import Asker
from fracdse.search.cache import ResultCache
from fracdse.search.driver import Plan, check_same_space, drive
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.locks import DriverLock
from fracdse.search.loop import Budget, require_feasible
from fracdse.search.objective import check_hardware
from fracdse.search.params import suggest
from fracdse.search.problem import StudyData
from fracdse.search.resuming import requeue_interrupted
from fracdse.search.samplers import SAMPLERS, make_sampler
from fracdse.search.study import Study, create_study, list_studies, open_study, unused_name
from fracdse.search.trial_facts import VOID, to_record
from fracdse.space import SearchSpace, load_space

TINY = ("proxy.epochs=1", "data.samples=120", "network.depth=8", "network.width=[4, 8]", "search.workers=1")


class Silent:
    """Hears everything and says nothing."""

    def started(self, number: int, design: object) -> None:
        pass

    def finished(self, record: object) -> None:
        pass

    def dropped(self, number: int) -> None:
        pass


def run(study: Study, data: StudyData, trials: int, sampler: str = "random") -> None:
    drive(study, data, Plan(sampler, Budget(trials)), Silent())


def test_a_study_is_searched_and_reopened(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("first", tiny_space)
    run(study, tiny_data, 3)
    records = open_study("first").records()
    assert [record.state for record in records] == ["complete"] * 3
    assert open_study(None).name == "first"
    for record in records:
        assert record.accuracy is not None
        assert record.hardware is not None
        assert record.gates is not None
        assert record.gates.layers[0].largest_lane_count
        assert record.seconds["training"] > 0
        assert record.feasible
        assert record.started <= record.finished
        assert tiny_space.params_of(record.design) == dict(record.params)
    assert len({record.seed for record in records}) == 3
    assert len({record.design.key for record in records}) == 3


def test_equal_seeds_give_equal_searches(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    found = []
    for name in ("a", "b"):
        study = create_study(name, tiny_space)
        run(study, tiny_data, 3, "model")
        found.append([(record.params, record.seed, record.accuracy) for record in study.records()])
    assert found[0] == found[1]


def test_resuming_runs_the_interrupted_trial_again(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("killed", tiny_space)
    run(study, tiny_data, 1)
    asker = Asker(study, "driver", make_sampler("random", tiny_space, 7))
    interrupted = asker.next(9)
    assert interrupted is not None
    assert [record.state for record in study.records()] == ["complete", "running"]

    again = open_study("killed")
    run(again, tiny_data, 4)
    records = open_study("killed").records()
    assert [record.state for record in records] == ["complete"] * 4
    assert interrupted.trial.number not in [record.number for record in records]
    rerun = next(record for record in records if record.design == interrupted.design)
    assert rerun.seed == interrupted.seed


def test_requeueing_twice_requeues_once(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("twice", tiny_space)
    asked = Asker(study, "driver", make_sampler("random", tiny_space, 7)).next(9)
    assert asked is not None
    # A first attempt that was killed right after it enqueued the retry.
    trial = study.optuna_study.get_trials()[0]
    study.optuna_study.enqueue_trial(trial.params, user_attrs={"retry_of": 0, "seed_number": 0})
    assert requeue_interrupted(study, lambda _: True) == [0]
    assert requeue_interrupted(study, lambda _: True) == []
    states = [trial.state for trial in study.optuna_study.get_trials()]
    assert states == [optuna.trial.TrialState.FAIL, optuna.trial.TrialState.WAITING]


def test_a_trial_with_a_stored_result_is_finished_not_repeated(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("late", tiny_space)
    asker = Asker(study, "driver", make_sampler("random", tiny_space, 7))
    asked = asker.next(9)
    assert asked is not None
    outcome = replace(check_hardware(tiny_space, asked.design), accuracy=0.5)
    asked.trial.set_user_attr("result", outcome.to_dict())
    assert requeue_interrupted(study, lambda _: True) == []
    assert [(record.state, record.accuracy) for record in study.records()] == [("complete", 0.5)]


def test_a_second_driver_is_refused(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("busy", tiny_space)
    with (
        DriverLock(study.folder / "driver.lock", "busy"),
        pytest.raises(StudyError, match=f"process {os.getpid()}"),
    ):
        run(study, tiny_data, 1)
    run(study, tiny_data, 1)


def test_names_are_checked(tiny_space: SearchSpace) -> None:
    create_study("digits", tiny_space)
    assert unused_name("digits") == "digits-2"
    with pytest.raises(StudyError, match="there is a study 'digits' already"):
        create_study("digits", tiny_space)
    with pytest.raises(StudyError, match=r"there is no study 'digts' \(did you mean 'digits'\?\)"):
        open_study("digts")
    for name in ("../out", ".hidden", "", "a/b"):
        with pytest.raises(StudyError, match="study name"):
            create_study(name, tiny_space)


def test_damaged_studies_say_so(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    with pytest.raises(StudyError, match="there is no study below 'results'"):
        open_study(None)
    study = create_study("broken", tiny_space)
    run(study, tiny_data, 1)
    journal = study.folder / JOURNAL_NAME
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b"\n", b"garbage\n", 3))
    with pytest.raises(StudyError, match="is damaged"):
        open_study("broken")
    journal.write_bytes(whole)
    (study.folder / "study.json").write_text("{")
    with pytest.raises(StudyError, match=r"study\.json is damaged"):
        open_study("broken")


def test_damaged_facts_of_a_trial_are_named(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("broken", tiny_space)
    run(study, tiny_data, 1)
    trial = study.optuna_study.trials[0]
    sound = trial.user_attrs["result"]
    lut = sound["hardware"]["lut"]
    study.optuna_study.set_user_attr("later:0:simulated", sound["hardware"])
    assert study.records()[0].later
    for damaged in (
        sound | {"accuracy": ["0.9"]},
        sound | {"state": "finished"},
        sound | {"reason": 5},
        sound | {"seconds": {"training": "long"}},
        sound | {"hardware": sound["hardware"] | {"lut": lut | {"low": "few"}}},
        sound | {"hardware": sound["hardware"] | {"lut": lut | {"kind": "guessed"}}},
    ):
        with pytest.raises(StudyError, match="of the study is damaged: TypeError"):
            to_record(create_trial(values=trial.values, user_attrs=trial.user_attrs | {"result": damaged}), {})
    study.optuna_study.set_user_attr("later:0:simulated", {"lut": lut})
    with pytest.raises(StudyError, match="damaged later figures, 'later:0:simulated'"):
        study.records()


def test_a_torn_last_line_is_set_aside(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("torn", tiny_space)
    run(study, tiny_data, 1)
    with (study.folder / JOURNAL_NAME).open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    run(open_study("torn"), tiny_data, 2)
    assert len(open_study("torn").records()) == 2
    assert b'{"op_code": 4, "wor' in (study.folder / "journal.torn").read_bytes()


def test_a_folder_left_by_an_interrupted_creation_is_used(tiny_space: SearchSpace) -> None:
    (Path("results") / "half").mkdir(parents=True)
    assert list_studies() == []
    assert create_study("half", tiny_space).records() == []


def test_another_version_or_space_is_refused(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("old", tiny_space)
    with pytest.raises(StudyError, match="is of another space: network"):
        check_same_space(study, load_space("digits", [*TINY, "network.width=[4]"]))
    check_same_space(study, load_space("digits", [*TINY, "search.trials=3"]))
    study.optuna_study.set_user_attr("fracdse_version", "0.0.1")
    with pytest.raises(StudyError, match=r"was made by fracdse 0\.0\.1"):
        run(study, tiny_data, 1)


def test_other_data_is_refused(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("data", tiny_space)
    run(study, tiny_data, 1)
    with pytest.raises(StudyError, match="other data"):
        run(study, StudyData(tiny_data.train, "else"), 2)


def test_every_design_is_tried_once_and_then_it_ends(tiny_data: StudyData) -> None:
    space = load_space("digits", [*TINY, "network.width=4", "network.si_width=0", "network.gate_threshold=[1.0, 3.0]"])
    study = create_study("all", space)
    run(study, tiny_data, 50, "random")
    records = study.records()
    assert len(records) == space.size == 6
    assert len({record.design.key for record in records}) == 6


def test_repeats_carry_the_stored_result(tiny_data: StudyData) -> None:
    space = load_space("digits", [*TINY, "network.width=4", "network.si_width=0", "network.gate_threshold=[1.0, 3.0]"])
    study = create_study("repeats", space)
    run(study, tiny_data, 6, "random")
    trials = study.optuna_study.get_trials()
    repeats = [trial for trial in trials if VOID in trial.user_attrs]
    assert repeats
    for trial in repeats:
        assert trial.values == trials[trial.user_attrs["copy_of"]].values


def test_the_grid_lists_the_space(tiny_data: StudyData) -> None:
    space = load_space("digits", [*TINY, "network.width=4", "network.si_width=0", "network.gate_threshold=1.0"])
    study = create_study("grid", space)
    run(study, tiny_data, 3, "grid")
    assert [record.params["network.thermometer_resolution"] for record in study.records()] == [16, 32, 64]


def test_a_grid_of_millions_is_not_listed_before_its_first_design() -> None:
    changes = ["network.width={low=1, high=1000}", "network.gate_threshold={low=-60, high=60, step=0.01}"]
    space = load_space("digits", changes)
    assert space.size > 1e8
    sampler = make_sampler("grid", space, seed=1)
    study = optuna.create_study(directions=list(space.objectives.values()), sampler=sampler)
    asked = [suggest(study.ask(), space) for _ in range(2)]
    assert asked[0] != asked[1]
    assert {params["network.width"] for params in asked} == {1}


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_sampler_searches(name: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("sampled", tiny_space)
    run(study, tiny_data, 6, name)
    assert [record.state for record in study.records()] == ["complete"] * 6


def test_nothing_feasible_names_what_binds(tiny_data: StudyData) -> None:
    space = load_space("digits", [*TINY, 'constraints.dsp="<= 2"'])
    study = create_study("tight", space)
    run(study, tiny_data, 3, "model")
    records = study.records()
    assert {record.state for record in records} == {"infeasible"}
    assert all(record.accuracy is None and "training" not in record.seconds for record in records)
    with pytest.raises(InfeasibleError, match="'dsp <= 2' binds") as caught:
        require_feasible(records)
    assert caught.value.exit_code == 3


def test_designs_that_cannot_be_built_are_said_to_miss_no_constraint(tiny_data: StudyData) -> None:
    space = load_space("digits", ["network.body=['resnet18', 'mobilenet']", "network.depth=8", "network.width=4"])
    study = create_study("unbuildable", space)
    run(study, tiny_data, 2, "random")
    said = r"none of 2 designs can be built\. Trial 0: .* stride 2 of layer"
    with pytest.raises(InfeasibleError, match=said) as caught:
        require_feasible(study.records())
    assert "network.body = " in caught.value.hint
    assert "Relax" not in caught.value.hint


def test_a_failing_trial_is_recorded_and_the_search_goes_on(tiny_data: StudyData) -> None:
    space = load_space("digits", [*TINY, "proxy.batch_size=2", "proxy.learning_rate=10.0", "network.batch_norm=false"])
    study = create_study("nan", space)
    run(study, tiny_data, 2, "random")
    for record in study.records():
        assert record.state in ("failed", "complete")
        if record.state == "failed":
            assert "loss" in record.reason
            assert record.accuracy is None


def test_a_search_of_failed_trials_alone_has_failed(tiny_data: StudyData) -> None:
    study = create_study("nothing", load_space("digits", [*TINY, "proxy.teacher=nowhere", "proxy.logit_weight=1"]))
    run(study, tiny_data, 2)
    records = study.records()
    with pytest.raises(StudyError, match=r"all 2 trials failed\. Trial 0: 'nowhere' holds no network"):
        require_feasible(records)
    require_feasible([records[0], replace(records[1], state="pruned")])


def test_later_figures_are_kept_by_kind(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("later", tiny_space)
    run(study, tiny_data, 1)
    record = study.records()[0]
    assert record.hardware is not None
    measured = replace(record.hardware, cycles_per_frame=Figure.exact(99, "simulated"))
    study.record_later(record.number, measured)
    assert open_study("later").records()[0].later == {"simulated": measured}
    with pytest.raises(StudyError, match="has no trial 7"):
        study.record_later(7, measured)


def test_networks_trained_before_are_not_trained_again(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    first = create_study("one", tiny_space)
    run(first, tiny_data, 2)
    second = create_study("two", tiny_space)
    run(second, tiny_data, 2)
    pairs = list(zip(first.records(), second.records(), strict=True))
    assert all(a.accuracy == b.accuracy and "cached" in b.seconds for a, b in pairs)


def test_damaged_cache_entries_count_as_absent(tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("cache", tiny_space)
    run(study, tiny_data, 1)
    cache = ResultCache(Path("results/.cache"), tiny_data.fingerprint, tiny_space.proxy)
    design = study.records()[0].design
    assert cache.find(design) is not None
    file = next(Path("results/.cache").rglob("*.json"))
    file.write_text(json.dumps({"accuracy": "many"}))
    assert cache.find(design) is None
