"""Tables, CSV and JSON: the figures in them, and text that came from files."""

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from fracdse.figures import Figure
from fracdse.results.export import to_csv, to_json
from fracdse.results.table import column_names, trials_frame
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
    assert rows[1]["lut"] == "", "an estimate that was carried on is not a measurement"


def test_a_reason_that_looks_like_a_formula_stays_text(make_record) -> None:
    text = to_csv([make_record(0, None, state="failed", reason='=HYPERLINK("x")')])
    assert next(csv.DictReader(io.StringIO(text)))["reason"] == '\'=HYPERLINK("x")'


def test_an_empty_study_is_a_table_without_rows() -> None:
    assert to_csv([]) == ",".join(column_names()) + "\n"
    assert trials_frame([]).columns.tolist() == column_names()
    assert len(trials_frame([])) == 0
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


def shown(records, width: int, **options) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(trials_table(records, "Study", width=width, **({"with_state": True} | options)))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("width", [60, 80, 130, 160])
def test_a_row_is_one_line_wherever_its_design_fits_and_no_figure_is_cut(make_record, width: int) -> None:
    text = shown([make_record(0, 0.9, bram18=432, dsp=360), make_record(1, None, state="pruned", reason="")], width)
    row = next(line for line in text.splitlines() if "90.0 %" in line)
    assert all(figure in row for figure in (" 432 ", " 360 ", " 1,000"))
    assert "pruned" in text
    assert "…" not in text or width >= 160
    assert all(len(line) <= width for line in text.splitlines())


def test_estimates_beside_measured_figures_are_marked(make_record) -> None:
    record = make_record(0, 0.9)
    measured = replace(record.hardware, fps=Figure.exact(77, "measured"))
    text = shown([replace(record, later={"measured": measured})], 160)
    row = next(line for line in text.splitlines() if "90.0 %" in line)
    assert " 77 " in row
    assert "~1,000 [950…1,050]" in row
    assert "measured" in row
