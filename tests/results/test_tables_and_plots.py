"""Tables, CSV, JSON and the front's plot: the figures in them, and text that came from files."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from fracdse.errors import ConfigError
from fracdse.figures import Figure
from fracdse.results.export import to_csv, to_json
from fracdse.results.plots import front_points, plot_front, save_figure
from fracdse.results.table import trials_frame
from fracdse.results.terminal import trials_table

OBJECTIVES = {"accuracy": "maximize", "bram18": "minimize"}


def test_json_names_every_figure_with_its_interval_and_kind(make_record) -> None:
    content = json.loads(to_json([make_record(0, 0.9), make_record(1, None, state="failed")], study="s"))
    row = content["trials"][0]
    assert (row["accuracy"], row["lut"], row["lut_low"], row["lut_high"]) == (0.9, 1000, 950, 1050)
    assert (row["hardware_kind"], row["state"], row["cycles_per_frame"]) == ("estimated", "complete", 500)
    assert content["trials"][1]["accuracy"] is None


def test_later_figures_are_rows_of_their_own_kind(make_record) -> None:
    record = make_record(0, 0.9)
    measured = replace(record.hardware, fps=Figure.exact(77, "measured"))
    rows = list(csv.DictReader(io.StringIO(to_csv([replace(record, later={"measured": measured})]))))
    assert [(row["hardware_kind"], float(row["fps"])) for row in rows] == [("estimated", 500_000), ("measured", 77)]


def test_a_reason_that_looks_like_a_formula_stays_text(make_record) -> None:
    text = to_csv([make_record(0, None, state="failed", reason='=HYPERLINK("x")')])
    assert next(csv.DictReader(io.StringIO(text)))["reason"] == '\'=HYPERLINK("x")'


def test_an_empty_study_is_a_table_without_rows() -> None:
    assert to_csv([]) == "number,state\n"
    assert json.loads(to_json([]))["trials"] == []


def test_terminal_table_shows_intervals_and_reads_no_markup(make_record) -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(trials_table([make_record(0, 0.9), make_record(1, None, state="failed", reason="[red]oh[/red]")],
                               "Study [bold]x[/bold]", with_state=True))  # fmt: skip
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1,000 [950…1,050]" in text
    assert "[red]oh[/red]" in text
    assert "90.0 %" in text


def test_frame_has_units_in_its_columns(make_record) -> None:
    frame = trials_frame([make_record(1, 0.8), make_record(0, 0.9)])
    assert frame["number"].tolist() == [0, 1]
    assert {"latency_us", "power_w", "bram18", "design_key"} <= set(frame.columns)


def test_plot_data_mark_the_front_and_keep_the_interval(make_record) -> None:
    records = [make_record(0, 0.9, bram18=5), make_record(1, 0.8, bram18=9), make_record(2, None, state="failed")]
    points = front_points(records, OBJECTIVES, "lut")
    assert [(point.number, point.on_front) for point in points] == [(0, True), (1, False)]
    assert [point.x_low for point in points] == pytest.approx([950, 950.95])


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_plot_is_written_in_each_format(make_record, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"front{suffix}"
    save_figure(plot_front([make_record(0, 0.9), make_record(1, 0.8)], OBJECTIVES), path)
    assert path.stat().st_size > 1000
    if suffix == ".png":
        with Image.open(path) as image:
            assert image.size[0] > 1000


def test_an_unknown_plot_format_is_refused(make_record, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written as one of .png, .svg, .pdf, not '.gif'"):
        save_figure(plot_front([make_record(0, 0.9)], OBJECTIVES), tmp_path / "front.gif")
