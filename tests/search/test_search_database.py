"""Studies in PostgreSQL: several machines, a server that is killed, passwords."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fracdse.search.checking import check_study
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.loop import Budget
from fracdse.search.problem import StudyData
from fracdse.search.study import create_study, delete_study, join_study, open_study
from fracdse.space import SearchSpace

TINY = ["--set", "proxy.epochs=1", "--set", "data.samples=120", "--set", "network.depth=8"]
PASSWORD = "pass-word-42"


class Postgres:
    """A server of its own on the loopback interface, run by the user 'postgres' where this is root."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "-D", f"{folder}/data", "-U", "fracdse", "-A", "scram-sha-256", f"--pwfile={secret}")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://fracdse:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-w", "-l", f"{self._folder}/log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, capture_output=True, cwd="/")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="needs psycopg, from the extra 'cluster'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL's initdb (Debian's package 'postgresql'), which is not here")
    folder = Path("/tmp") / f"fracdse-postgres-{os.getpid()}"
    folder.mkdir()
    server = Postgres(folder, found[-1].parent)
    yield server
    server.stop()
    shutil.rmtree(folder)


class Silent:
    def started(self, number: int, design: object) -> None: ...
    def finished(self, record: object) -> None: ...


def run(url: str, name: str, data: StudyData, trials: int) -> None:
    study = open_study(name, url)
    check_data(study, data)
    drive(study, data, Plan("random", Budget(trials), storage_url=url), Silent())


def test_a_study_in_a_database(postgres: Postgres, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    create_study("kept", tiny_space, postgres.url)
    run(postgres.url, "kept", tiny_data, 2)
    assert [record.state for record in open_study("kept", postgres.url).records()] == ["complete"] * 2
    assert check_study(Path("results/kept"), postgres.url) == []
    for file in Path().rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_another_machine_joins(
    postgres: Postgres, tiny_space: SearchSpace, tiny_data: StudyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_study("joined", tiny_space, postgres.url)
    run(postgres.url, "joined", tiny_data, 2)
    elsewhere = tmp_path / "other-machine"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert join_study("joined", postgres.url).space == open_study("joined", postgres.url).space
    run(postgres.url, "joined", tiny_data, 4)
    assert len(open_study("joined", postgres.url).records()) == 4
    delete_study(Path("results/joined"), postgres.url)
    assert not Path("results/joined").exists()


@pytest.mark.slow
def test_two_machines_and_a_server_that_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    machines = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "fracdse",
            "search",
            *TINY,
            "--study",
            "both",
            "--trials",
            "8",
            "--workers",
            "1",
        ]
        if name == "two":
            command.append("--resume")
        command += ["--workers", "1"]
        machines.append(subprocess.Popen(command, cwd=folder, env={**os.environ, "FRACDSE_STORAGE": postgres.url}))
        while not (folder / "results" / "both" / "study.json").exists():
            assert machines[-1].poll() is None
    postgres.stop()
    postgres.start()
    assert [machine.wait(timeout=500) for machine in machines] == [0, 0]
    os.chdir(tmp_path / "one")
    records = open_study("both", postgres.url).records()
    assert [record.state for record in records] == ["complete"] * 8
    assert len({record.design.key for record in records}) == 8
    assert check_study(Path("results/both"), postgres.url) == []
