"""`fracdse dashboard`: a real start on a free port, data from a copy, and no way to write."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fracdse.cli.main import main
from fracdse.errors import ConfigError
from fracdse.results.dashboard import JournalMirror, dashboard_server
from fracdse.search.study import create_study
from fracdse.space import parse_space

SPACE = {
    "name": "watched", "data": {"name": "digits"}, "network": {"width": [4, 8]},
    "objectives": {"accuracy": "maximize"}, "proxy": {"epochs": 1}, "search": {"trials": 2},
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return create_study("watched", parse_space(SPACE, "space")).folder


@pytest.fixture
def address(study: Path) -> Iterator[str]:
    """The dashboard of the study, started as a user would."""
    pytest.importorskip("optuna_dashboard")
    command = [sys.executable, "-m", "fracdse", "dashboard", "watched", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_it_shows_the_study_and_what_is_added_and_lets_nobody_write(address: str, study: Path) -> None:
    assert address.startswith("http://127.0.0.1:")
    base, _, number = address.partition("/dashboard/studies/")
    journal = study / "journal.log"
    before = journal.read_bytes()
    with urllib.request.urlopen(f"{base}/api/studies") as answer:
        assert [entry["study_name"] for entry in json.load(answer)["study_summaries"]] == ["watched"]
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(urllib.request.Request(f"{base}/api/studies/{number}", method="DELETE"))
    assert journal.read_bytes() == before

    from fracdse.search.study import open_study

    open_study("watched").optuna_study.ask()
    with urllib.request.urlopen(f"{base}/api/studies/{number}?after=0") as answer:
        shown = json.load(answer)
    assert len(shown["trials"]) == 1
    assert shown["objective_names"] == ["accuracy"], "objectives have their names"


def test_the_copy_takes_whole_lines_only(tmp_path: Path) -> None:
    journal, copy = tmp_path / "journal.log", tmp_path / "copy.log"
    journal.write_bytes(b'{"a":1}\n{"b"')
    mirror = JournalMirror(journal, copy)
    assert copy.read_bytes() == b'{"a":1}\n'
    with journal.open("ab") as file:
        file.write(b":2}\n")
    mirror.refresh()
    mirror.refresh()
    assert copy.read_bytes() == b'{"a":1}\n{"b":2}\n'


def test_requests_at_the_same_time_copy_every_line_once(tmp_path: Path) -> None:
    journal, copy = tmp_path / "journal.log", tmp_path / "copy.log"
    journal.write_bytes(b"")
    mirror = JournalMirror(journal, copy)
    with ThreadPoolExecutor(8) as requests:
        for _ in range(3):
            with journal.open("ab") as file:
                file.write((b'"' + b"x" * 1022 + b'"\n') * 4096)  # 4 MiB: long enough to be read twice at a time
            list(requests.map(lambda _: mirror.refresh(), range(8)))
    assert copy.read_bytes() == journal.read_bytes()


def test_a_port_in_use_is_named() -> None:
    with dashboard_server(lambda environ, start: [], "127.0.0.1", 0) as server:
        port = server.server_port
        with pytest.raises(ConfigError) as error:
            dashboard_server(lambda environ, start: [], "127.0.0.1", port)
    assert error.value.message == f"cannot listen on 127.0.0.1:{port}: Address already in use"


def test_without_the_package_the_extra_is_named(study: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    monkeypatch.setattr(sys, "argv", ["fracdse", "dashboard", "watched", "--port", "0"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 4
    assert "pip install 'fracdse[dashboard]'" in capsys.readouterr().err
