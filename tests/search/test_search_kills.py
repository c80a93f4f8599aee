"""Kill drivers, workers, machines and the database at random moments; every trial must be accounted for, once."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import MariaDB, Postgres, Server, free_port
from kill_hunt import Machine, RayHead, hunt, kill_process


class OneMachine:
    """A driver with two workers and a journal file."""

    storage_url = None

    def __init__(self, folder: Path) -> None:
        self.machines = [Machine(folder / "machine", ["--workers", "2"])]

    def strike(self, dice: random.Random) -> str:
        machine = self.machines[0]
        workers = machine.workers()
        if workers and dice.random() < 0.6 and kill_process(dice.choice(workers)):
            return "a worker"
        machine.kill()
        machine.start()
        return "the driver"


class TwoMachines:
    """Two machines and a database server."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._server, self.storage_url = server, server.url
        self.machines = [
            Machine(folder / name, ["--workers", "1"], {"FRACDSE_STORAGE": server.url}) for name in ("one", "two")
        ]

    def strike(self, dice: random.Random) -> str:
        if dice.random() < 0.5:
            self._server.kill()
            self._server.start()
            return "the database"
        machine = dice.choice(self.machines)
        machine.kill()
        machine.start(joins=True)
        return "a machine"


class RayCluster:
    """A driver outside, and a Ray cluster whose head and workers are killed as well."""

    storage_url = None

    def __init__(self, folder: Path, head: RayHead) -> None:
        self._head = head
        options = ["--engine", "ray", "--address", head.address]
        self.machines = [Machine(folder / "machine", options, head.environment)]

    def strike(self, dice: random.Random) -> str:
        machine, luck = self.machines[0], dice.random()
        assert machine.process is not None
        workers = self._head.workers()
        if luck < 0.4 and workers and kill_process(dice.choice(workers)):
            return "a Ray worker"
        if luck < 0.7:
            self._head.kill()
            assert machine.process.wait(timeout=300) == 1
            assert "the Ray cluster went away" in machine.said()
            self._head.start()
            machine.start()
            return "the Ray head"
        machine.kill()
        machine.start()
        return "the driver"


@pytest.fixture
def head() -> Iterator[RayHead]:
    pytest.importorskip("ray", reason="needs Ray, from the extra 'cluster'")
    with tempfile.TemporaryDirectory(prefix="fracdse-ray-", ignore_cleanup_errors=True) as folder:
        made = RayHead(Path(folder), free_port())
        yield made
        made.kill()


def test_workers_and_drivers_are_killed(tmp_path: Path) -> None:
    found = hunt(OneMachine(tmp_path), kills=4, seed=1)
    assert found["interrupted"] > 0


def test_machines_and_postgresql_are_killed(tmp_path: Path) -> None:
    server = Postgres()
    try:
        hunt(TwoMachines(tmp_path, server), kills=4, seed=1)
    finally:
        server.close()


@pytest.mark.slow
def test_twelve_kills_of_workers_and_drivers(tmp_path: Path) -> None:
    print(hunt(OneMachine(tmp_path), kills=12, seed=2))


@pytest.mark.slow
def test_ten_kills_of_a_ray_cluster(tmp_path: Path, head: RayHead) -> None:
    print(hunt(RayCluster(tmp_path, head), kills=10, seed=4))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Postgres, MariaDB])
def test_ten_kills_of_machines_and_databases(tmp_path: Path, kind: type[Postgres | MariaDB]) -> None:
    server = kind()
    try:
        print(hunt(TwoMachines(tmp_path, server), kills=10, seed=3))
    finally:
        server.close()
