"""Studies in databases: several machines, clocks that disagree, servers that are slow, full or gone for long."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import PASSWORD, MariaDB, Postgres, Server
from optuna.trial import TrialState

from fracdse.errors import StudyError
from fracdse.search import heartbeat, patience, storage
from fracdse.search.asking import Asker
from fracdse.search.checking import check_study
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.loop import Budget
from fracdse.search.objective import evaluate_step
from fracdse.search.problem import StudyData, make_problem
from fracdse.search.samplers import make_sampler
from fracdse.search.study import create_study, delete_study, join_study, open_study
from fracdse.search.trial_facts import RETRY_OF, VOID
from fracdse.space import SearchSpace

TINY = ["--set", "proxy.epochs=1", "--set", "data.samples=120", "--set", "network.depth=8"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    given = os.environ.get("FRACDSE_TEST_POSTGRES")
    made: Server = Given(given) if given else Postgres()
    yield made
    made.close()


@pytest.fixture(scope="module")
def mysql() -> Iterator[Server]:
    made = MariaDB()
    yield made
    made.close()


@pytest.fixture(params=["postgres", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    """Give a server of each kind, one after the other; tests that the kind makes no difference to use `postgres`."""
    made: Server = request.getfixturevalue(request.param)
    return made


class Given:
    """A server that runs already; tests that would kill it skip."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(re.findall(r":(\d+)/", url)[-1]) if re.search(r":\d+/", url) else 5432

    def start(self) -> None: ...
    def close(self) -> None: ...

    def kill(self) -> None:
        pytest.skip("the server of FRACDSE_TEST_POSTGRES is not ours to kill")


class Silent:
    def started(self, number: int, design: object) -> None: ...
    def finished(self, record: object) -> None: ...
    def dropped(self, number: int) -> None: ...


def run(url: str, name: str, data: StudyData, trials: int) -> None:
    study = open_study(name, url)
    check_data(study, data)
    drive(study, data, Plan("random", Budget(trials), storage_url=url), Silent())


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give a study's name that no other test has, nor an earlier run on the same server."""
    return f"{request.node.originalname.removeprefix('test_')[:40]}-{os.getpid()}"


def test_a_study_in_a_database(server: Server, name: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    create_study(name, tiny_space, server.url)
    run(server.url, name, tiny_data, 2)
    assert [record.state for record in open_study(name, server.url).records()] == ["complete"] * 2
    assert check_study(Path("results") / name, server.url) == []
    for file in Path().rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_another_machine_joins(
    postgres: Server,
    name: str,
    tiny_space: SearchSpace,
    tiny_data: StudyData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_study(name, tiny_space, postgres.url)
    run(postgres.url, name, tiny_data, 2)
    elsewhere = tmp_path / "other-machine"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert join_study(name, postgres.url).space == open_study(name, postgres.url).space
    run(postgres.url, name, tiny_data, 4)
    assert len(open_study(name, postgres.url).records()) == 4
    delete_study(Path("results") / name, postgres.url)
    assert not (Path("results") / name).exists()


def asker_of(name: str, url: str, owner: str) -> Asker:
    study = open_study(name, url)
    return Asker(study, owner, make_sampler("random", study.space, 1))


def test_a_silent_machine_is_suspected_before_its_trial_is_run_again(
    server: Server, name: str, tiny_space: SearchSpace, tiny_data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "GRACE_SECONDS", 2)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 1)
    create_study(name, tiny_space, server.url)
    dead, alive = (asker_of(name, server.url, f"{which}/driver").next(9) for which in ("dead", "alive"))
    assert dead is not None
    assert alive is not None
    dead.heartbeat.stop()
    time.sleep(4)
    watcher = asker_of(name, server.url, "watcher/driver")
    monkeypatch.setattr(heartbeat, "CONFIRMATION_SECONDS", 3600)
    first = watcher.next(9)
    assert first is not None
    assert first.trial.params != dead.trial.params, "it was not suspected for long enough"
    monkeypatch.setattr(heartbeat, "CONFIRMATION_SECONDS", 0)
    again = watcher.next(9)
    assert again is not None
    assert again.trial.params == dead.trial.params
    assert again.seed == dead.seed
    trials = watcher.optuna_study.get_trials()
    assert trials[dead.trial.number].user_attrs[VOID] == "interrupted"
    retries = {trial.number: trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
    assert retries == {again.trial.number: dead.trial.number}
    assert trials[alive.trial.number].state == TrialState.RUNNING
    for asked in (alive, first, again):
        asked.heartbeat.stop()


def test_a_trial_whose_machine_died_before_its_first_beat_is_found(
    postgres: Server, name: str, tiny_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "GRACE_SECONDS", 1)
    monkeypatch.setattr(heartbeat, "CONFIRMATION_SECONDS", 0)
    study = create_study(name, tiny_space, postgres.url)
    study.optuna_study.enqueue_trial({"kept": 1}, user_attrs={RETRY_OF: 0})
    watch = heartbeat.LifeWatch(study.storage, study.optuna_study._study_id)
    study.storage.set_trial_state_values(study.optuna_study.trials[0]._trial_id, TrialState.RUNNING)
    assert watch.dead() == set()
    time.sleep(3)
    assert watch.dead() == set(), "suspected only now"
    assert watch.suspects_any
    time.sleep(0.1)
    assert watch.dead() == {study.optuna_study.trials[0]._trial_id}


class SlowPath:
    """A proxy on the loopback interface that holds every packet back."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with source, sink:
            try:
                while data := source.recv(65536):
                    time.sleep(self._seconds)
                    sink.sendall(data)
            except OSError:
                return
            finally:
                for end in (source, sink):
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue


def test_a_slow_database(postgres: Server, name: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    slow = SlowPath(postgres.port, 0.01)
    try:
        url = postgres.url.replace(f":{postgres.port}/", f":{slow.port}/")
        create_study(name, tiny_space, url)
        run(url, name, tiny_data, 2)
        assert [record.state for record in open_study(name, url).records()] == ["complete"] * 2
        assert check_study(Path("results") / name, url) == []
    finally:
        slow.close()


def test_a_database_that_is_gone_for_good(
    postgres: Server, name: str, tiny_space: SearchSpace, tiny_data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1.0)
    create_study(name, tiny_space, postgres.url)
    asker = asker_of(name, postgres.url, "here/driver")
    asked = asker.next(5)
    assert asked is not None
    postgres.kill()
    try:
        with pytest.raises(StudyError, match="database has failed for 1 s") as caught:
            asker.next(5)
        assert PASSWORD not in str(caught.value)
    finally:
        postgres.start()
    problem = make_problem(tiny_space, tiny_data)
    outcome = evaluate_step(problem, asked.design, asked.seed, Path("checkpoints"))
    assert asker.tell(asked, outcome).state == "complete"


@pytest.mark.slow
def test_a_machine_whose_clock_is_three_hours_ahead(postgres: Server, name: str, tmp_path: Path) -> None:
    """Machines judge each other by the database's clock, so a wrong one of their own does no harm."""
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime (Debian's package), which is not here")
    search = [sys.executable, "-m", "fracdse", "search", *TINY, "--study", name, "--workers", "1"]
    search += ["--sampler", "random", "--trials", "4"]
    environment = {**os.environ, "FRACDSE_STORAGE": postgres.url}
    for which in ("right", "ahead", "behind"):
        (tmp_path / which).mkdir()
    right = subprocess.Popen(search, cwd=tmp_path / "right", env=environment, stderr=subprocess.PIPE)
    try:
        while not (tmp_path / "right" / "results" / name / "study.json").exists():
            assert right.poll() is None
            time.sleep(0.1)
        others = [
            subprocess.Popen(
                ["faketime", "-f", shift, *search, "--resume"],
                cwd=tmp_path / which,
                env=environment,
                stderr=subprocess.PIPE,
            )
            for which, shift in (("ahead", "+3h"), ("behind", "-3h"))
        ]
        for process in (right, *others):
            said = process.communicate(timeout=300)[1]
            assert process.returncode == 0, said
    finally:
        right.kill()
    os.chdir(tmp_path / "right")
    trials = open_study(name, postgres.url).optuna_study.get_trials()
    assert not [trial.number for trial in trials if trial.user_attrs.get(VOID) == "interrupted"]
    assert len(open_study(name, postgres.url).records()) == 4
    assert check_study(Path("results") / name, postgres.url) == []


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Give a folder with room for 24 MiB, as a disk of its own."""
    folder = Path("/tmp") / f"fracdse-small-disk-{os.getpid()}"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def test_a_database_whose_disk_is_full(
    small_disk: Path, tiny_space: SearchSpace, tiny_data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg", reason="needs psycopg, from the extra 'cluster'")
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1.0)
    postgres = Postgres()
    try:
        place = small_disk / "tables"
        place.mkdir()
        shutil.chown(place, "postgres")
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            connection.execute("CREATE DATABASE small TABLESPACE small")
        url = postgres.url.replace("/postgres", "/small")
        study = create_study("full", tiny_space, url)
        run(url, "full", tiny_data, 2)
        before = [(record.number, record.accuracy) for record in study.records()]
        ballast = small_disk / "ballast"
        _fill(ballast)
        with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.errors.DiskFull):
            connection.execute("CREATE TABLE filler AS SELECT generate_series(1, 3000000)")
        # Pages that exist have room for a few trials yet, so that the disk is felt in the middle of one.
        with pytest.raises(StudyError, match="No space left on device"):
            run(url, "full", tiny_data, 30)
        stopped = len(study.records())
        ballast.unlink()
        run(url, "full", tiny_data, stopped + 1)
        records = open_study("full", url).records()
        assert [(record.number, record.accuracy) for record in records][:2] == before
        assert len(records) == stopped + 1
        assert {record.state for record in records} <= {"complete", "infeasible"}
        # A trial that had not said whose it is when the disk was full waits for its grace period to be over.
        assert not [finding for finding in check_study(Path("results/full"), url) if finding.severity == "error"]
    finally:
        postgres.close()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
