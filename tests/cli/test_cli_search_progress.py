"""What a search shows while it runs fits the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from fracdse.cli.search_progress import LiveProgress
from fracdse.hardware.estimate import estimate
from fracdse.records import TrialRecord
from fracdse.search.params import all_params
from fracdse.search.study import create_study
from fracdse.space import load_space, with_objectives

WIDE = ("accuracy", "bram18", "dsp", "lut", "latency_us", "power_w")


@pytest.mark.parametrize("objectives", [("accuracy",), ("accuracy", "bram18", "dsp"), WIDE], ids=len)
def test_the_live_view_fits_a_small_terminal(
    objectives: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    space = load_space("digits", ["network.depth=8", *with_objectives(objectives)])
    progress = LiveProgress(create_study("small", space), 16)
    for number, params in enumerate(all_params(space)):
        if number == 12:
            break
        design = space.design(params)
        progress.started(number, design)
        progress.finished(
            TrialRecord(number, "complete", design, params, seed=1, accuracy=0.5, hardware=estimate(design))
        )
    progress.started(12, design)
    console = progress._console
    with console.capture() as captured:
        console.print(progress._render())
    lines = captured.get().rstrip("\n").split("\n")
    assert len(lines) <= 10
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("Current front: ")
    assert lines[-1].startswith("12 of 16 trials, ")
    assert "running: 12" in lines[-1]
