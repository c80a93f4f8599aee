"""`fracdse study` and `--from` on what is not there, damaged or of another kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import fracdse_here

from fracdse.search.study import create_study
from fracdse.space import load_space

Run = Callable[..., tuple[int, str, str]]
STUDY, JOURNAL = Path("results/night/study.json"), Path("results/night/journal.log")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs the command line in a new folder and returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def fracdse(*arguments: str) -> tuple[int, str, str]:
        return fracdse_here(capsys, *arguments)

    return fracdse


@pytest.fixture
def night(run: Run) -> None:
    """Make a study without trials, called 'night'."""
    create_study("night", load_space("digits"))


def test_no_study_is_said_so(run: Run) -> None:
    assert run("study", "list") == (0, "", "There is no study below 'results'.\n")
    for command in ("show", "check", "repair", "export"):
        code, out, said = run("study", command)
        assert (code, out) == (1, "")
        assert "there is no study below 'results'" in said


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("command", ["show", "check", "repair", "export", "delete"])
def test_a_misspelt_name_or_another_file_is_refused(run: Run, command: str) -> None:
    Path("notes.txt").write_text("not a study")
    for name, said in (("nigt", "did you mean 'night'"), ("notes.txt", "there is no study 'notes.txt'")):
        code, out, errors = run("study", command, name, *(["--yes"] if command == "delete" else []))
        assert (code, out) == (1, "")
        assert said in errors
        assert "Known studies: night" in errors
    assert JOURNAL.exists()


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe", b"{", b"", b'{"storage": 3}'], ids=str)
def test_a_damaged_description_is_written_anew_and_the_old_one_set_aside(run: Run, content: bytes) -> None:
    STUDY.write_bytes(content)
    assert "study.json is damaged" in run("study", "show", "night")[2]
    assert run("study", "check", "night")[0] == 1
    assert run("study", "repair", "night") == (0, "wrote study.json anew\n", "")
    assert STUDY.with_name("study.json.damaged").read_bytes() == content
    assert run("study", "check", "night")[0] == 0


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("journal", [b"", b"\x80\x04K\x01.\n", b'{"op_code":0}\n'], ids=["empty", "a pickle", "torn"])
def test_a_journal_without_a_study_is_beyond_repair(run: Run, journal: bytes) -> None:
    JOURNAL.write_bytes(journal)
    assert run("study", "check", "night")[0] == 1
    code, _, said = run("study", "repair", "night")
    assert code == 1
    assert "still has errors that repair cannot mend" in said
    assert run("study", "show", "night")[0] == 1
    assert run("study", "delete", "night", "--yes") == (0, "", "Deleted results/night\n")


@pytest.mark.usefixtures("night")
def test_a_study_of_another_format_names_what_reads_it(run: Run) -> None:
    STUDY.write_text(STUDY.read_text().replace('"format": 1', '"format": 9'))
    code, _, said = run("study", "show", "night")
    assert code == 1
    assert "has format 9; this fracdse reads 1" in said
    assert "the version of fracdse that made it" in said
    assert "still has errors" in run("study", "repair", "night")[2]


@pytest.mark.usefixtures("night")
def test_a_study_whose_journal_is_gone_can_be_deleted(run: Run) -> None:
    JOURNAL.unlink()
    assert "journal.log is missing" in run("study", "show", "night")[2]
    assert run("study", "delete", "night", "--yes")[0] == 0
    assert not STUDY.exists()


@pytest.mark.usefixtures("night")
def test_an_export_that_cannot_be_written_names_the_file(run: Run) -> None:
    Path("notes.txt").write_text("not a folder")
    code, _, said = run("study", "export", "night", "--out", "notes.txt/night.json")
    assert code == 1
    assert "notes.txt" in said
    assert run("study", "export", "night", "--out", "new/night.json")[0] == 0
    assert Path("new/night.json").is_file()


@pytest.mark.usefixtures("night")
def test_a_study_without_a_feasible_trial_still_gets_what_can_be_drawn_and_its_page(run: Run) -> None:
    code, _, said = run("report", "night", "--plots", "plots", "--html", "night.html")
    assert code == 0, said
    assert [file.name for file in Path("plots").iterdir()] == ["front.png"]
    assert "sampler of the file" in Path("night.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "nee"], "--by goes with --plots"),
        (["--plot-format", "pdf"], "--plot-format goes with --plots"),
        (["--against", "lut"], "--against goes with --plot"),
        (["--html", ""], "the name of a file is missing"),
    ],
)
def test_options_that_would_do_nothing_are_refused(run: Run, options: list[str], said: str) -> None:
    code, out, errors = run("report", "night", *options)
    assert (code, out) == (2, "")
    assert said in errors


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["proxy.epochs=3"], "was made with another proxy"),
        (["data.samples=100"], "was made with other data"),
    ],
)
def test_a_warm_start_that_is_refused_leaves_no_study(run: Run, changes: list[str], said: str) -> None:
    earlier = create_study("night", load_space("digits", changes))
    earlier.optuna_study.set_user_attr("data_fingerprint", "else")
    code, out, errors = run("search", "digits", "--from", "night", "--study", "next", "--trials", "1")
    assert (code, out) == (1, "")
    assert re.search(said, errors), errors
    assert not Path("results/next").exists()


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "0", "night", "--by", "lut"], "--by goes with 'best'"),
        (["search", "--resume", "--from", "day"], "--from goes with a new study, not with --resume"),
    ],
)
def test_options_of_another_use_are_refused(run: Run, arguments: list[str], said: str) -> None:
    code, out, errors = run(*arguments)
    assert (code, out) == (2, "")
    assert said in errors
