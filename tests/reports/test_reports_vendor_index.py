"""Every vendor report of the shared collection reads to exactly the figures of its index."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fracdse.cli.calibrate import command
from fracdse.errors import ReportError
from fracdse.reports import Report, read_report, read_report_text

FIGURES = (
    "lut",
    "ff",
    "bram36",
    "bram18",
    "uram",
    "dsp",
    "clock_ns",
    "wns_ns",
    "latency_cycles_min",
    "latency_cycles_max",
)
NAMES = ("kind", "tool", "version", "part", "top")
NOTED = {
    "total_w": "total_on_chip_w",
    "dynamic_w": "dynamic_w",
    "static_w": "static_w",
    "tj_c": "junction_c",
    "PS8_w": "ps_w",
    "clocks_w": "clocks_w",
    "signals_w": "signals_w",
    "bram_w": "bram_w",
    "dsp_w": "dsp_w",
    "TNS": "tns_ns",
    "WHS": "whs_ns",
    "LUT_logic": "lut_logic",
    "LUT_mem": "lut_memory",
    "RAMB36": "ramb36",
    "RAMB18": "ramb18",
    "est_clk_ns": "clock_estimated_ns",
}


@pytest.fixture(scope="module")
def index(shared: Path) -> list[dict[str, str]]:
    with (shared / "reports" / "INDEX.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def differences(row: dict[str, str], report: Report, *, with_notes: bool = True) -> list[str]:
    found = []
    for name in FIGURES:
        wanted = float(row[name]) if row[name] else None
        if getattr(report, name) != wanted:
            found.append(f"{row['file']}: {name} reads {getattr(report, name)}, the index has {wanted}")
    for name in NAMES:
        carried = not (row["file"].endswith("_export.xml") and name in ("version", "part"))
        if getattr(report, name) != (row[name] if carried else None):
            found.append(f"{row['file']}: {name} reads {getattr(report, name)}, the index has {row[name]}")
    for piece in row["notes"].replace("; ", ",").split(",") if with_notes else ():
        key, _, value = piece.partition("=")
        if key in NOTED and value and getattr(report, NOTED[key]) != float(value.removeprefix("<")):
            found.append(f"{row['file']}: {NOTED[key]} reads {getattr(report, NOTED[key])}, the index notes {value}")
    return found


def test_every_report_reads_to_the_figures_of_the_index(shared: Path, index: list[dict[str, str]]) -> None:
    assert len(index) == 208
    found = [text for row in index for text in differences(row, read_report(shared / "reports" / row["file"]))]
    assert not found, "\n".join(found)


def test_command_shows_the_figures_of_the_index(shared: Path, index: list[dict[str, str]]) -> None:
    files = [str(shared / "reports" / row["file"]) for row in index]
    result = CliRunner().invoke(command, ["--show", *files, "--format", "json"])
    assert result.exit_code == 0
    entries = json.loads(result.output)
    assert [entry["file"] for entry in entries] == files
    for row, entry in zip(index, entries, strict=True):
        assert {name: entry[name] for name in FIGURES} == {
            name: float(row[name]) if row[name] else None for name in FIGURES
        }, row["file"]


def test_half_of_a_report_is_an_error_or_reads_to_the_same_figures(shared: Path, index: list[dict[str, str]]) -> None:
    found, refused = [], 0
    for row in index:
        text = (shared / "reports" / row["file"]).read_bytes().decode("utf-8", errors="replace")
        try:
            report = read_report_text(text[: len(text) // 2], row["file"])
        except ReportError:
            refused += 1
        else:
            found += differences(row, report)
    assert not found, "\n".join(found)
    assert refused >= 200  # path details of timing reports do not always tell that they are cut


@pytest.mark.parametrize("damage", ["cut", "without one line"])
def test_damaged_report_is_an_error_or_reads_to_the_same_figures(
    shared: Path, index: list[dict[str, str]], damage: str
) -> None:
    found, refused, tries = [], 0, 0
    for row in index:
        lines = (shared / "reports" / row["file"]).read_text(errors="replace").split("\n")
        if len(lines) > 3000:  # only path details are so long, and they hold no figure
            continue
        for place in range(1 + len(lines) % 7, len(lines) - 1, len(lines) // 12 + 1):
            tries += 1
            kept = lines[:place] if damage == "cut" else lines[:place] + lines[place + 1 :]
            try:
                report = read_report_text("\n".join(kept) + "\n", row["file"])
            except ReportError:
                refused += 1
            else:
                found += [f"line {place + 1}: {text}" for text in differences(row, report, with_notes=False)]
    assert not found, "\n".join(found)
    assert refused > tries * (0.9 if damage == "cut" else 0.1)
