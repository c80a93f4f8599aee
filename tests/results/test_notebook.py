"""What notebooks show: studies and designs as HTML, and the trials as a data frame."""

import subprocess
import sys
from pathlib import Path

import pytest

import fracdse
from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.results.notebook import study_html
from fracdse.search.study import create_study
from fracdse.space import parse_space

OBJECTIVES = {"accuracy": "maximize", "bram18": "minimize"}


def test_a_study_shows_its_front_and_escapes_its_name(make_record) -> None:
    records = [make_record(0, 0.9, bram18=5), make_record(1, 0.8, bram18=9), make_record(2, None, state="failed")]
    html = study_html("<script>x</script>", records, OBJECTIVES)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "3 trials, 2 complete, 1 on the front" in html
    assert "90.0 %" in html
    assert "data:image/png;base64," in html


def test_a_study_without_a_front_is_a_sentence(make_record) -> None:
    assert study_html("s", [], OBJECTIVES).endswith("0 trials, 0 complete, 0 on the front.</p>")


def test_a_design_shows_figures_layers_and_choices() -> None:
    html = Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=4))._repr_html_()
    assert "stage3.block0.conv2" in html
    assert "thermometer_resolution" in html
    assert "estimated" in html


def test_a_design_for_an_unknown_device_says_so_and_escapes_it() -> None:
    html = Design(device="<b>board</b>")._repr_html_()
    assert "<b>" not in html
    assert "No hardware figures" in html


def test_load_study_gives_a_frame_with_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = {
        "name": "s",
        "data": {"name": "digits"},
        "network": {"width": [4, 8]},
        "objectives": {"accuracy": "maximize"},
    }
    folder = create_study("s", parse_space(space, "space")).folder
    study = fracdse.load_study(folder)
    assert len(study.trials) == 0
    assert {"number", "latency_us", "design_key"} <= set(study.trials.columns)
    assert "Study s" in study._repr_html_()


def test_a_cell_of_a_notebook_shows_html_and_a_line_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    monkeypatch.chdir(tmp_path)
    space = {"name": "s", "data": {"name": "digits"}, "network": {"width": [4, 8]}, "objectives": {"lut": "minimize"}}
    create_study("s", parse_space(space, "space"))
    shown, _ = formatters.DisplayFormatter().format(fracdse.load_study("s"))
    assert "<h3>Study s</h3>" in shown["text/html"]
    assert shown["text/plain"] == "Study 's' in 'results/s': 0 trials"
    shown, _ = formatters.DisplayFormatter().format(Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=4)))
    assert 'class="fill"' in shown["text/html"]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, fracdse; print([m for m in ('torch', 'optuna', 'pandas', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
