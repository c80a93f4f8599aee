"""Searches in a database that are broken off at one exact point: by the server, by a kill, or by another machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from database_servers import Postgres, Server
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from fracdse.search import asking, resuming
from fracdse.search.accuracy_model import Encoder
from fracdse.search.asking import Asker, counted
from fracdse.search.checking import check_study
from fracdse.search.database import Database
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.finished_trials import FinishedTrials
from fracdse.search.loop import Budget
from fracdse.search.objective import AtRung, evaluate_step
from fracdse.search.params import all_params, params_key
from fracdse.search.problem import StudyData, make_problem
from fracdse.search.resuming import BEFORE_START, INTERRUPTED, requeue_interrupted
from fracdse.search.samplers import RandomSampler, make_sampler
from fracdse.search.study import Study, create_study, open_study
from fracdse.search.trial_facts import RETRY_OF, START, VOID
from fracdse.space import SearchSpace

WRITES = ("_create_new_trial", "_set_trial_param", "set_trial_user_attr", "set_trial_system_attr",
          "set_trial_state_values")  # fmt: skip
READS = ("get_trial", "_get_trials", "get_study_user_attrs", "_get_stale_trial_ids")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Postgres()
    yield made
    made.close()


@pytest.fixture
def study(server: Server, tiny_space: SearchSpace, request: pytest.FixtureRequest) -> Study:
    return create_study(f"{abs(hash(request.node.name))}-{os.getpid()}", tiny_space, server.url)


def asker(study: Study, server: Server, owner: str) -> Asker:
    """Return the asker of a machine with connections, caches and a folder of its own."""
    folder = Path(owner)
    folder.mkdir(exist_ok=True)
    opened = replace(open_study(study.name, server.url), folder=folder)
    return Asker(opened, f"{owner}/driver", make_sampler("random", opened.space, 1))


def ask(study: optuna.Study) -> optuna.Trial:
    """Ask Optuna for a trial as it is before fracdse gives it a design."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
        return study.ask()


def errors(study: Study, server: Server) -> list[str]:
    return [finding.text for finding in check_study(study.folder, server.url) if finding.severity == "error"]


def lives(study: Study) -> list[Any]:
    return [trial for trial in study.optuna_study.get_trials() if VOID not in trial.user_attrs]


class Silent:
    def started(self, number: int, design: object) -> None: ...
    def finished(self, record: object) -> None: ...
    def dropped(self, number: int) -> None: ...


def break_once(monkeypatch: pytest.MonkeyPatch, name: str, *, carried_out: bool) -> Callable[[], bool]:
    """Let Optuna's storage fail once in a method, before it does its work or after; return whether it has."""
    whole, broken = getattr(RDBStorage, name), []

    def breaks(self: RDBStorage, *args: Any, **options: Any) -> Any:
        if broken:
            return whole(self, *args, **options)
        broken.append(True)
        if carried_out:
            whole(self, *args, **options)
        raise StorageInternalError("the server went away")

    monkeypatch.setattr(RDBStorage, name, breaks)
    return lambda: bool(broken)


@pytest.mark.parametrize(
    ("name", "carried_out"),
    [(name, False) for name in WRITES + READS] + [(name, True) for name in WRITES if name != "_create_new_trial"],
)
def test_a_search_goes_on_whatever_call_the_server_breaks_off(
    study: Study,
    server: Server,
    tiny_data: StudyData,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    carried_out: bool,
) -> None:
    opened = open_study(study.name, server.url)
    check_data(opened, tiny_data)
    was_broken = break_once(monkeypatch, name, carried_out=carried_out)
    drive(opened, tiny_data, Plan("random", Budget(2), storage_url=server.url), Silent())
    assert was_broken()
    trials = study.optuna_study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert check_study(study.folder, server.url) == []


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("point", range(4))
def test_a_trial_is_run_again_wherever_who_puts_it_back_is_killed(
    study: Study, server: Server, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    """The steps are: void the trial, enqueue its retry, mark the trial failed; at 3 nobody is killed."""
    dead = asker(study, server, "dead").next(9)
    assert dead is not None
    dead.heartbeat.stop()
    steps = iter(range(9))

    def or_killed(whole: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if next(steps) == point:
                raise Killed
            return whole(*args, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("set_trial_user_attr", "_create_new_trial", "set_trial_state_values"):
            patched.setattr(Database, name, or_killed(getattr(Database, name)))
        try:
            requeue_interrupted(open_study(study.name, server.url), lambda _: True)
            assert point == 3
        except Killed:
            assert point < 3
    if point == 0:
        requeue_interrupted(open_study(study.name, server.url), lambda _: True)
    again = asker(study, server, "alive").next(9)
    assert again is not None
    assert (again.trial.params, again.seed) == (dead.trial.params, dead.seed)
    trials = study.optuna_study.get_trials()
    assert [(trial.state, trial.user_attrs.get(VOID)) for trial in trials] == [
        (TrialState.FAIL, INTERRUPTED),
        (TrialState.RUNNING, None),
    ]
    assert trials[1].user_attrs[RETRY_OF] == 0
    assert errors(study, server) == []
    again.heartbeat.stop()


def test_a_trial_that_ends_while_it_is_put_back_stays_ended(
    study: Study, server: Server, tiny_data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = asker(study, server, "alive")
    asked = alive.next(9)
    assert asked is not None
    outcome = evaluate_step(make_problem(study.space, tiny_data), asked.design, asked.seed, Path("checkpoints"))
    whole = resuming.design_to_repeat

    def meanwhile(*args: Any) -> Any:
        assert alive.tell(asked, outcome) is not None
        return whole(*args)

    monkeypatch.setattr(resuming, "design_to_repeat", meanwhile)
    assert requeue_interrupted(open_study(study.name, server.url), lambda _: True) == []
    assert [trial.state for trial in study.optuna_study.get_trials()] == [TrialState.COMPLETE]


def test_a_process_that_slept_too_long_learns_that_its_trial_was_taken_away(
    study: Study, server: Server, tiny_data: StudyData
) -> None:
    sleepy = asker(study, server, "sleepy")
    asked = sleepy.next(9)
    assert asked is not None
    assert requeue_interrupted(open_study(study.name, server.url), lambda _: True) == [0]
    outcome = evaluate_step(make_problem(study.space, tiny_data), asked.design, asked.seed, Path("checkpoints"))
    assert not isinstance(outcome, AtRung)
    sleepy.note_rung(asked, AtRung(1, [0.5], outcome))
    assert sleepy.tell(asked, outcome) is None
    again = sleepy.next(9)
    assert again is not None
    assert again.trial.number == 1
    assert sleepy.tell(again, outcome) is not None
    assert [trial.number for trial in lives(study)] == [1]
    assert errors(study, server) == []


def test_a_trial_that_is_taken_away_while_it_gets_its_design(
    study: Study, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, late = asking.suggest, iter([True])

    def slowly(*args: Any) -> Any:
        params = whole(*args)
        if next(late, False):
            requeue_interrupted(open_study(study.name, server.url), lambda _: True)
        return params

    monkeypatch.setattr(asking, "suggest", slowly)
    asked = asker(study, server, "slow").next(9)
    assert asked is not None
    assert asked.trial.number == 1
    assert study.optuna_study.get_trials()[0].user_attrs == {VOID: BEFORE_START}
    assert errors(study, server) == []
    asked.heartbeat.stop()


def test_a_trial_that_had_not_begun_has_nothing_to_be_run_again(study: Study, server: Server) -> None:
    trial = ask(study.optuna_study)
    first = next(iter(study.space.searched))
    trial._suggest(first, asker(study, server, "here").sampler._kinds[first])  # type: ignore[attr-defined]
    assert requeue_interrupted(study, lambda _: True) == []
    ended = study.optuna_study.get_trials()
    assert [(trial.state, trial.user_attrs) for trial in ended] == [(TrialState.FAIL, {VOID: BEFORE_START})]
    assert errors(study, server) == []


def test_the_grid_comes_back_to_a_design_that_no_trial_began(study: Study, server: Server) -> None:
    opened = open_study(study.name, server.url)
    machine = Asker(opened, "here/driver", make_sampler("grid", opened.space, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
        params = asking.suggest(machine.optuna_study.ask(), study.space)
    assert requeue_interrupted(study, lambda _: True) == []
    assert params_key(params) not in known_keys(study)
    asked = machine.next(9)
    assert asked is not None
    asked.heartbeat.stop()
    assert asked.trial.params == params
    asked.trial.set_user_attr(VOID, INTERRUPTED)
    opened.optuna_study.tell(asked.trial, state=TrialState.FAIL)
    assert params_key(params) in known_keys(study), "an interrupted trial has a retry for its design"


def known_keys(study: Study) -> set[str]:
    """Return the designs that the model sampler does not propose any more."""
    finished = FinishedTrials(Encoder(study.space.searched), ["bram18"])
    finished.read(study.optuna_study.get_trials())
    return finished.keys


def test_a_retry_is_never_one_too_many(study: Study, server: Server) -> None:
    """Others took its trial's place before it was put back; it is run all the same."""
    machine = asker(study, server, "here")
    dead, *others = (machine.next(9) for _ in range(3))
    assert requeue_interrupted(study, lambda trial: trial.number == 0) == [0]
    again = machine.next(2)
    assert again is not None
    assert dead is not None
    assert again.trial.params == dead.trial.params
    assert machine.next(2) is None
    assert counted(study.optuna_study.get_trials()) == 3
    for asked in (dead, *others, again):
        assert asked is not None
        asked.heartbeat.stop()


def test_two_machines_that_choose_the_same_design_at_once(
    study: Study, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one to begin it has it, though its trial has the higher number."""
    designs = list(all_params(study.space))
    monkeypatch.setattr(RandomSampler, "propose", lambda *_: designs[0])
    one, two = asker(study, server, "one"), asker(study, server, "two")
    whole, faster = asking.suggest, []

    def meanwhile(*args: Any) -> Any:
        if faster:
            return whole(*args)
        faster.append(None)
        faster[0] = two.next(9)
        params = whole(*args)
        monkeypatch.setattr(RandomSampler, "propose", lambda *_: designs[1])
        return params

    monkeypatch.setattr(asking, "suggest", meanwhile)
    asked = one.next(9)
    assert asked is not None
    assert faster[0] is not None
    assert [(trial.number, trial.params) for trial in lives(study)] == [(1, designs[0]), (2, designs[1])]
    assert study.optuna_study.get_trials()[0].user_attrs[VOID] == "another machine was first"
    assert errors(study, server) == []
    for each in (asked, faster[0]):
        each.heartbeat.stop()


def test_a_retry_is_not_dropped_for_a_trial_that_has_only_chosen_its_design(
    study: Study, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one may be killed before it begins, or be one too many."""
    design = next(all_params(study.space))
    monkeypatch.setattr(RandomSampler, "propose", lambda *_: design)
    machine = asker(study, server, "here")
    chooser = ask(machine.optuna_study)
    dead = machine.next(9)
    assert dead is not None
    dead.heartbeat.stop()
    assert requeue_interrupted(study, lambda trial: trial.number == dead.trial.number) == [dead.trial.number]
    assert asking.suggest(chooser, study.space) == design
    again = machine.next(9)
    assert again is not None
    again.heartbeat.stop()
    assert again.trial.user_attrs[RETRY_OF] == dead.trial.number
    assert again.trial.params == design


def test_designs_are_begun_one_at_a_time(study: Study, server: Server) -> None:
    """A second machine that wants to begin a trial waits while the first one looks whether its design is free."""
    trials = [ask(study.optuna_study) for _ in range(2)]
    order, second_at_it = [], threading.Event()
    storages = [open_study(study.name, server.url).storage for _ in range(2)]
    study_id = study.optuna_study._study_id

    def first_looks() -> bool:
        order.append("first looks")
        second.start()
        second_at_it.wait(timeout=60)
        order.append("first has looked")
        return False

    def second_looks() -> bool:
        order.append("second looks")
        return START in study.optuna_study.get_trials()[0].user_attrs

    def begin_second() -> None:
        assert isinstance(storages[1], Database)
        threading.Timer(0.3, second_at_it.set).start()
        order.append(storages[1].start_unless(study_id, trials[1]._trial_id, START, {}, second_looks))

    second = threading.Thread(target=begin_second)
    assert isinstance(storages[0], Database)
    assert storages[0].start_unless(study_id, trials[0]._trial_id, START, {}, first_looks)
    second.join()
    assert order == ["first looks", "first has looked", "second looks", False]


def test_a_known_study_waits_for_its_database(study: Study, server: Server) -> None:
    server.kill()
    command = [sys.executable, "-m", "fracdse", "search", "--resume", "--study", study.name, "--trials", "1"]
    process = subprocess.Popen(
        command, env={**os.environ, "FRACDSE_STORAGE": server.url}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = [process.stderr.readline() for _ in range(2)]
    finally:
        server.start()
    rest = process.communicate(timeout=120)[1]
    assert "Connection refused" in said[0] or "connection" in said[0].lower(), said
    assert said[1] == "Trying again for 5 minutes\n"
    assert process.returncode == 0, rest
    assert "1 complete" in rest


def test_an_unknown_database_is_not_waited_for(server: Server) -> None:
    url = server.url.replace(f":{server.port}/", ":1/")
    command = [sys.executable, "-m", "fracdse", "search", "--resume", "--study", "unknown", "--storage", url]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Trying again" not in ended.stderr
    assert "pass-word" not in ended.stderr
