"""What of Vivado's lines is shown, on a terminal and elsewhere."""

import sys

import pytest

from fracdse.cli.vivado_progress import VivadoProgress

LINES = [
    "fracdse: step synthesis, 2 of 4",
    "INFO: [Synth 8-6157] synthesizing module 'accelerator'",
    "Phase 2.1 a part of a phase",
    "Phase 2 Global Placement",
    "CRITICAL WARNING: [BD 41-1356] a segment is not assigned",
    "x" * 300,
]


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    progress = VivadoProgress()
    for line in LINES:
        progress.line(line)
    progress.end()
    return capsys.readouterr().err


def test_elsewhere_only_milestones_and_what_is_serious_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys).splitlines() == [
        "  step synthesis, 2 of 4",
        "  Phase 2 Global Placement",
        "  CRITICAL WARNING: [BD 41-1356] a segment is not assigned",
    ]


def test_a_terminal_shows_the_newest_line_within_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    text = shown(capsys)
    assert "synthesizing module" in text
    drawn = [piece for line in text.split("\n") for piece in line.split("\r")]
    assert max(map(len, drawn)) == 79
    assert drawn[-2].strip() == "", "the last line is cleared"
    assert text.count("\n") == 2, "the step and the warning stay"
