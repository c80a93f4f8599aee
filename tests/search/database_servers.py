"""Real database servers on the loopback interface, each in a temporary folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

import pytest

PASSWORD = "pass-word-42"
FSYNC_OFF = "-c fsync=off"


class Server(Protocol):
    """A database server that tests may kill and start again."""

    url: str
    port: int

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it at once, as a crash would."""

    def close(self) -> None:
        """End it and remove its folder."""


class Postgres:
    """PostgreSQL, run by the user 'postgres' where this is root."""

    def __init__(self, data: Path | None = None, options: str = FSYNC_OFF) -> None:
        pytest.importorskip("psycopg", reason="needs psycopg, from the extra 'cluster'")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("needs PostgreSQL's initdb (Debian's package 'postgresql'), which is not here")
        self._binaries, self._options = found[-1].parent, options
        self._folder = _own_folder("postgres")
        self._data = data or self._folder / "data"
        self.port = free_port()
        self.url = f"postgresql://fracdse:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "-D", str(self._data), "-U", "fracdse", "-A", "scram-sha-256", f"--pwfile={secret}")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {self._options}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", f"{self._folder}/log", "-o", options, "start")

    def kill(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = _as_user("postgres", [str(self._binaries / program), *arguments])
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, cwd="/")


class MariaDB:
    """MariaDB, which speaks MySQL's protocol, run by the user 'mysql' where this is root."""

    def __init__(self) -> None:
        pytest.importorskip("pymysql", reason="needs pymysql, from the extra 'cluster'")
        if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
            pytest.skip("needs mariadbd (Debian's package 'mariadb-server'), which is not here")
        self._folder = _own_folder("mysql")
        self.port = free_port()
        self.url = f"mysql://fracdse:{PASSWORD}@127.0.0.1:{self.port}/fracdse"
        first = self._folder / "first.sql"
        first.write_text(
            "CREATE DATABASE IF NOT EXISTS fracdse CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS fracdse@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON fracdse.* TO fracdse@'127.0.0.1';\n"
        )
        first.chmod(0o644)
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={self._folder}/data", "--skip-test-db"]
        subprocess.run(_as_user("mysql", install), check=True, capture_output=True, cwd="/")
        self.start()

    def start(self) -> None:
        # Commits reach the operating system at once, so that a killed server has lost none; only power cuts might.
        command = [
            "mariadbd", "--no-defaults", f"--datadir={self._folder}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid",
            f"--init-file={self._folder}/first.sql", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(_as_user("mysql", command), stdout=log, stderr=log, cwd="/")
        for _ in range(600):
            time.sleep(0.1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)


def _own_folder(user: str) -> Path:
    """Make a folder that the server's user can write: pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix=f"fracdse-{user}-"))
    if os.getuid() == 0:
        shutil.chown(folder, user)
    folder.chmod(0o755)
    return folder


def _as_user(user: str, command: list[str]) -> list[str]:
    return ["runuser", "-u", user, "--", *command] if os.getuid() == 0 else command


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
