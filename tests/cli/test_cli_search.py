"""`fracdse search` and `fracdse study` as processes: what they print, store, refuse and survive."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import fracdse_here

from fracdse.records import TrialRecord
from fracdse.search.checking import check_study
from fracdse.search.study import create_study, open_study
from fracdse.space import parse_space

TINY = ["--set", "proxy.epochs=1", "--set", "data.samples=120", "--set", "network.depth=8"]
SLOW = ["--set", "proxy.epochs=12", "--set", "data.samples=400", "--set", "network.depth=8", "--set", "network.width=8"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def fracdse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fracdse", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fracdse", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until `condition` holds, which a living process must bring about."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def journal_holds(name: str, text: str, count: int = 1) -> Callable[[], bool]:
    file = Path("results") / name / "journal.log"
    return lambda: file.exists() and file.read_text(errors="replace").count(text) >= count


def trials(name: str) -> list[TrialRecord]:
    return open_study(name).records()


def is_clean(name: str) -> bool:
    return check_study(Path("results") / name) == []


def test_search_resume_and_the_study_commands(capsys: pytest.CaptureFixture[str]) -> None:
    done = fracdse("search", *TINY, "--trials", "3", "--workers", "2", "--study", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "results/mine\n"
    assert len(re.findall(r"^trial +\d+  complete +accuracy", done.stderr, re.MULTILINE)) == 3
    assert [trial.state for trial in trials("mine")] == ["complete"] * 3

    code, _, said = fracdse_here(capsys, "search", "--resume", "--trials", "5", "--workers", "1", "--quiet")
    assert (code, said) == (0, "")
    assert len(trials("mine")) == 5

    assert "mine" in fracdse_here(capsys, "study", "list")[1]
    shown = fracdse_here(capsys, "study", "show")[1]
    assert re.search(r"trials +5 \(the file asks for 16\): 5 complete", shown)
    assert re.search(r"commands +fracdse search .*--study mine", shown)
    assert "fracdse search --resume --trials 5 --workers 1 --quiet" in shown
    assert fracdse_here(capsys, "study", "check")[0] == 0
    exported = json.loads(fracdse_here(capsys, "study", "export")[1])
    assert [trial["state"] for trial in exported["trials"]] == ["complete"] * 5

    code, _, said = fracdse_here(capsys, "search", *TINY, "--study", "mine", "--trials", "1")
    assert code == 1
    assert "there is a study 'mine' already" in said
    code, _, said = fracdse_here(capsys, "search", "--resume", "--study", "mine", *TINY, "--set", "network.width=4")
    assert code == 1
    assert "is of another space: network.width is [4, 8, 16] in the study and 4 now\n" in said

    options = ("--from", "mine", "--study", "next", "--trials", "1", "--workers", "1")
    code, _, said = fracdse_here(capsys, "search", *TINY, *options)
    assert "Reused 5 trials of mine" in said
    assert len(trials("next")) == 6

    assert fracdse_here(capsys, "study", "delete", "mine", "--yes")[0] == 0
    assert not Path("results/mine").exists()


def test_killed_at_any_moment_and_resumed() -> None:
    process = start("search", *SLOW, "--trials", "3", "--workers", "1", "--study", "killed", "--sampler", "random")
    wait_for(journal_holds("killed", '"start"', 2), process)
    process.kill()
    process.communicate()
    before = {trial.number: trial for trial in trials("killed") if trial.state == "complete"}
    assert before

    resumed = fracdse("search", "--resume", "--trials", "3", "--workers", "1")
    assert resumed.returncode == 0, resumed.stderr
    after = {trial.number: trial for trial in trials("killed")}
    assert [trial.state for trial in after.values()] == ["complete"] * 3
    assert all(after[number] == trial for number, trial in before.items())
    assert is_clean("killed")


def test_interrupt_stops_cleanly_and_says_how_to_resume() -> None:
    process = start("search", *SLOW, "--trials", "9", "--workers", "2", "--study", "stopped")
    wait_for(journal_holds("stopped", '"start"', 2), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "fracdse search --resume --study stopped --trials 9 --workers 2\n" in said
    assert "Traceback" not in said
    assert [finding.severity for finding in check_study(Path("results/stopped"))] == ["note"]


def test_what_is_said_to_continue_is_the_same_search_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = parse_space({"name": "s", "data": {"name": "digits"}, "network": {"width": [4, 8]}}, "space")
    study = create_study("s", space)
    monkeypatch.setattr("fracdse.cli.search._new", lambda *_: (study, None))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fracdse.search.driver.drive", interrupted)
    options = ("--sampler", "random", "--engine", "ray", "--cpus", "2", "--trials", "7")
    code, _, said = fracdse_here(capsys, "search", *options, "--storage", "postgresql://me:s3cret@host/trials")
    assert code == 130
    continued = "--trials 7 --sampler random --engine ray --cpus 2.0 --storage postgresql://me@host/trials\n"
    assert said.endswith(f"Continue with: fracdse search --resume --study s {continued}")
    monkeypatch.setenv("FRACDSE_STORAGE", "postgresql://me:s3cret@host/trials")
    assert fracdse_here(capsys, "search")[2].endswith("fracdse search --resume --study s\n")


def test_resume_with_the_name_of_an_older_study_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    space = parse_space({"name": "digits", "data": {"name": "digits"}, "network": {"width": [4, 8]}}, "space")
    create_study("digits", space)
    create_study("digits-2", space)
    os.utime("results/digits/journal.log", (0, 0))
    code, _, said = fracdse_here(capsys, "search", "--resume", "digits")
    assert code == 2
    assert "--resume continues the newest study, 'digits-2'" in said
    assert "For 'digits' write: fracdse search --resume --study digits." in said


def test_two_searches_on_one_study() -> None:
    process = start("search", *SLOW, "--trials", "9", "--workers", "1", "--study", "shared")
    wait_for(journal_holds("shared", '"start"'), process)
    second = fracdse("search", "--resume", "--study", "shared")
    process.kill()
    process.communicate()
    assert second.returncode == 1
    assert "is being searched by another process" in second.stderr
    assert "--study NAME" in second.stderr


def test_a_worker_that_is_killed_is_replaced_and_its_trial_run_again() -> None:
    process = start("search", *SLOW, "--trials", "3", "--workers", "2", "--study", "crew", "--sampler", "random")
    wait_for(journal_holds("crew", '"start"', 2), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=280)
    assert process.returncode == 0, said
    assert [trial.state for trial in trials("crew")] == ["complete"] * 3
    assert is_clean("crew")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--set", "network.widht=3"], 2, r"no such key \(did you mean 'network\.width'\?\)"),
        (["no-such-space"], 2, "there is no search space 'no-such-space'"),
        (["--sampler", "TPEE"], 2, r"did you mean 'TPE'\?"),
        (["--sampler", "tpe"], 2, r"did you mean 'TPE'\?"),
        (
            ["--sampler", "grid", "--set", "network.gate_threshold={low=0, high=1}"],
            2,
            "gate_threshold = .* has no step",
        ),
        (["--constraint", "foo<=0.8"], 2, "--constraint foo: unknown constraint 'foo'"),
        (["--device", "ultra96"], 2, "ultra96"),
        (["--data", "/nowhere"], 1, "no data set '/nowhere'"),
        (["--data", "fotos 📷"], 1, "no data set 'fotos 📷'"),
        (["--resume"], 1, "there is no study"),
        (
            ["--constraint", "dsp<=1", "--trials", "2", *TINY],
            3,
            "none of 2 designs meets the constraints; 'dsp <= 1' b",
        ),
        (["--constraint", "dsp<=1", "--trials", "1", *TINY], 3, "no design meets the constraints; 'dsp <= 1' binds"),
        (["--objective", "speed"], 2, "unknown objective 'speed'"),
        (["--trials", "0"], 2, "0 is not in the range"),
        (["--cpus", "2"], 2, "--cpus goes with --engine ray"),
        (["--study", "../x", *TINY], 1, "study name"),
    ],
)
def test_bad_input_gets_a_clear_error(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, output, errors = fracdse_here(capsys, "search", *arguments)
    assert ended == code, errors
    assert re.search(said, errors), errors
    assert "Traceback" not in errors
    assert output == ""
    assert code == 3 or not Path("results").exists()


def test_a_terminal_that_cannot_show_every_character_gets_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    create_study("night", parse_space({}, "none"))
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    ended = fracdse("report")
    assert ended.returncode == 0, ended.stderr
    assert "Study night: 0 trials" in ended.stdout
    assert "?????" in ended.stdout


def test_results_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("results").write_text("a file is in the way")
    code, _, said = fracdse_here(capsys, "search", *TINY)
    assert code == 1
    assert "cannot write" in said


def test_a_damaged_journal_is_found_and_repaired(capsys: pytest.CaptureFixture[str]) -> None:
    fracdse_here(capsys, "search", *TINY, "--trials", "3", "--study", "hurt", "--workers", "1", "--sampler", "random")
    before = trials("hurt")
    journal = Path("results/hurt/journal.log")
    lines = journal.read_bytes().splitlines(keepends=True)
    second = [index for index, line in enumerate(lines) if b'"op_code":4' in line][1]
    lines[second] = lines[second][: len(lines[second]) // 2] + b"\x00\xff\n"
    journal.write_bytes(b"".join(lines))

    assert "is damaged" in fracdse_here(capsys, "study", "show", "hurt")[2]
    code, output, _ = fracdse_here(capsys, "study", "check", "hurt")
    assert code == 1
    assert f"line {second + 1}: damaged" in output
    code, output, _ = fracdse_here(capsys, "study", "repair", "hurt")
    assert code == 0
    assert "put an empty trial in place" in output
    assert Path("results/hurt/journal.before-repair").exists()
    assert fracdse_here(capsys, "study", "check", "hurt")[0] == 0
    assert [(t.number, t.accuracy) for t in trials("hurt")] == [(t.number, t.accuracy) for t in before]


def test_a_terminal_shows_the_front() -> None:
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fracdse", "search", *TINY, "--trials", "2", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    process.communicate()
    os.close(main)
    assert b"Current front" in shown
    assert b"2 of 2 trials" in shown


def test_a_study_in_a_database_is_read_with_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    space = {"name": "kept", "data": {"name": "digits"}, "network": {"width": [4, 8]}}
    url = "sqlite:///trials.db"
    create_study("kept", parse_space({**space, "objectives": {"accuracy": "maximize"}}, "space"), url)
    code, _, said = fracdse_here(capsys, "report", "kept")
    assert code == 1
    assert "--storage URL" in said
    assert "Study kept: 0 trials" in fracdse_here(capsys, "report", "kept", "--storage", url)[1]
    code, _, said = fracdse_here(capsys, "report", "kept", "--storage", "sqlite:///other.db")
    assert code == 1
    assert f"database 'sqlite:///other.db' has no study 'kept'; it is kept in '{url}'" in said
    assert (
        "has no study 'more'"
        in fracdse_here(capsys, "search", "--resume", "--study", "more", "--storage", "sqlite:///other.db")[2]
    )
    assert not Path("other.db").exists()
    for command in ("check", "show"):
        code, output, said = fracdse_here(capsys, "study", command, "kept")
        assert (code, output) == (1, "")
        assert "is kept in the database 'sqlite:///trials.db'" in said
        assert "--storage URL" in said
        assert "repair" not in said
    assert fracdse_here(capsys, "study", "check", "kept", "--storage", url)[0] == 0
    of_a_trial = (
        ("show", "0", "kept"),
        ("deploy", "0", "kept"),
        ("estimate", "0", "--study", "kept"),
        ("train", "0", "--study", "kept", "--out", "trained"),
        ("evaluate", "0", "--study", "kept"),
    )
    for words in of_a_trial:
        code, _, said = fracdse_here(capsys, *words, "--storage", url)
        assert (code, "study 'kept' has no trial 0" in said) == (1, True), (words, said)


def test_passwords_are_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://someone:s3cret@127.0.0.1:1/none?password=s3cret"
    code, output, errors = fracdse_here(capsys, "search", *TINY, "--storage", url, "--study", "hidden")
    assert code == 1
    assert "s3cret" not in output + errors
    assert "someone" in errors
    written = [file for file in Path().rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]
    assert written == []
