import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fracdse.cli.calibrate import command
from fracdse.data_files import data_folder
from fracdse.design import Design, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.hardware import coefficients
from fracdse.hardware.calibration import own_builds
from fracdse.hardware.calibration.own_builds import collect_builds, refit_on_builds
from fracdse.hardware.estimate import estimate

YOSYS_STAT = """\
=== accelerator ===

   Number of wires:                 20
   Number of cells:                 12
     FDRE                            4
     LUT2                            5
     LUT6                            3
"""

UTILIZATION = """\
Copyright 1986-2019 Xilinx, Inc. All Rights Reserved.
------------------------------------------------------------------------------------
| Tool Version : Vivado v.2019.2 (lin64) Build 2708876 Wed Nov  6 21:39:14 MST 2019
| Date         : Sat Dec 12 05:04:36 2020
| Host         : builder
| Command      : report_utilization -file placed.rpt
| Design       : accelerator_KEY
| Device       : xczu3egsbva484-1
| Design State : Fully Placed
------------------------------------------------------------------------------------

Utilization Design Information

Table of Contents
-----------------
1. CLB Logic
3. BLOCKRAM
4. ARITHMETIC
5. I/O

1. CLB Logic
------------

+----------------------------+-------+-------+-----------+-------+
|          Site Type         |  Used | Fixed | Available | Util% |
+----------------------------+-------+-------+-----------+-------+
| CLB LUTs                   | LUTS  |     0 |     70560 | 10.00 |
|   LUT as Logic             | LUTS  |     0 |     70560 | 10.00 |
|   LUT as Memory            |     0 |     0 |     28800 |  0.00 |
| CLB Registers              | REGS  |     0 |    141120 | 10.00 |
|   Register as Flip Flop    | REGS  |     0 |    141120 | 10.00 |
|   Register as Latch        |     0 |     0 |    141120 |  0.00 |
| CARRY8                     |   100 |     0 |      8820 |  1.00 |
+----------------------------+-------+-------+-----------+-------+


3. BLOCKRAM
-----------

+-------------------+------+-------+-----------+-------+
|     Site Type     | Used | Fixed | Available | Util% |
+-------------------+------+-------+-----------+-------+
| Block RAM Tile    |   10 |     0 |       216 |  5.00 |
|   RAMB36/FIFO*    |    0 |     0 |       216 |  0.00 |
|   RAMB18          |   20 |     0 |       432 |  5.00 |
|     RAMB18E2 only |   20 |       |           |       |
+-------------------+------+-------+-----------+-------+


4. ARITHMETIC
-------------

+----------------+------+-------+-----------+-------+
|    Site Type   | Used | Fixed | Available | Util% |
+----------------+------+-------+-----------+-------+
| DSPs           |   20 |     0 |       360 |  5.00 |
|   DSP48E2 only |   20 |       |           |       |
+----------------+------+-------+-----------+-------+


5. I/O
------

+------------+------+-------+-----------+-------+
|  Site Type | Used | Fixed | Available | Util% |
+------------+------+-------+-----------+-------+
| Bonded IOB |    0 |     0 |        82 |  0.00 |
+------------+------+-------+-----------+-------+
"""


MISSED_TIMING = """\
| Tool Version : Vivado v.2019.2 (lin64) Build 2708876
| Command      : report_timing_summary -no_detailed_paths
| Design       : accelerator_KEY
| Device       : xczu3eg-sbva484

------
| Design Timing Summary
| ---------------------
------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints
    -------      -------  ---------------------  -------------------
     -0.250       -3.000                     17                 4000

Timing constraints are not met.

------
| Clock Summary
| -------------
------

Clock     Waveform(ns)       Period(ns)      Frequency(MHz)
-----     ------------       ----------      --------------
clk_pl_0  {0.000 2.000}      4.000           250.000

------
| Intra Clock Table
| -----------------
------

Clock         WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints
-----         -------      -------  ---------------------  -------------------
clk_pl_0       -0.250       -3.000                     17                 4000

------
| Inter Clock Table
| -----------------
------

From Clock  To Clock      WNS(ns)      TNS(ns)
----------  --------      -------      -------

"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def own_build(
    folder: Path, width: int, factor: float, part: str = "xczu3egsbva484-1", device: str = "ultra96v2"
) -> Design:
    """Write a placed report of a design that took `factor` times the estimate, and its sidecar."""
    design = Design(network=NetworkChoices(depth=8, width=width), device=device)
    figures = estimate(design)
    text = UTILIZATION.replace("KEY", design.key).replace("xczu3egsbva484-1", part)
    text = text.replace("LUTS", str(round(figures.lut.value * factor))).replace("REGS", str(round(figures.ff.value)))
    (folder / f"w{width}_utilization_placed.rpt").write_text(text)
    (folder / f"{design.key}.json").write_text(json.dumps({"design": design.to_dict(), "folding": None}))
    return design


def test_show_prints_what_was_read_and_the_error_of_what_was_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "stat.txt", tmp_path / "bad.rpt"
    good.write_text(YOSYS_STAT)
    bad.write_text("not a report")
    result = run("--show", str(good), str(bad), "--format", "json")
    entries = json.loads(result.output)
    assert (entries[0]["kind"], entries[0]["lut"], entries[0]["ff"]) == ("yosys", 8, 4)
    assert "error" in entries[1]
    assert result.exit_code == 1


def test_shown_table_has_latencies_notes_and_hints(tmp_path: Path) -> None:
    stat, bad = tmp_path / "stat.txt", tmp_path / "bad.rpt"
    stat.write_text(YOSYS_STAT.replace("LUT6", "my_ip"))
    bad.write_text("not a report")
    output = run("--show", str(stat), str(bad)).output
    assert "    kind yosys, tool Yosys, top accelerator, lut 5, ff 4" in output
    assert "    note: not counted, area not known: my_ip" in output
    assert "    error: " in output
    assert "    Known are report_utilization" in output


def test_the_check_is_a_table_csv_and_json_of_the_same_rows(tmp_path: Path) -> None:
    rows = json.loads(run("--check", "--format", "json").output)
    listed = list(csv.DictReader(io.StringIO(run("--check", "--format", "csv").output)))
    assert [row["source"] for row in rows] == [row["source"] for row in listed]
    assert {"resource", "source", "points", "median_error", "error_95", "worst_error", "coverage"} <= set(rows[0])
    assert any("FracBNN" in row["source"] for row in rows)
    picture = tmp_path / "check.png"
    assert run("--check", "--out", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_options_that_exclude_each_other_are_refused() -> None:
    assert run("--check", "--synthesise", "1").exit_code == 2
    assert run("some.rpt").exit_code == 2
    assert run("--show").exit_code == 2


def test_own_builds_are_tied_and_lower_the_error(tmp_path: Path) -> None:
    for width in (4, 8, 12, 16):
        own_build(tmp_path, width, 0.8)
    builds, notes = collect_builds(tmp_path)
    assert len(builds) == 4
    assert any("2019.2 was never seen" in note for note in notes)
    fitted = refit_on_builds(builds)[0]
    assert fitted.before[0].median_error == pytest.approx(0.25, abs=0.01)
    assert fitted.after[0].median_error < 0.01
    assert (fitted.coefficients.tool, fitted.coefficients.version, fitted.coefficients.part) == (
        "Vivado",
        "2019.2",
        "xczu3eg",
    )


@pytest.fixture
def own_coefficients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let coefficients be read from a copy and written there."""
    folder = tmp_path / "hw_models"
    shutil.copytree(data_folder("hw_models") / "coefficients", folder / "coefficients")
    monkeypatch.setattr(coefficients, "data_folder", lambda _: folder)
    yield folder / "coefficients"
    monkeypatch.undo()
    coefficients.coefficients_for.cache_clear()


def test_refit_on_reports_prints_the_error_before_and_after_and_serves_estimates(
    tmp_path: Path, own_coefficients: Path
) -> None:
    builds = tmp_path / "builds"
    builds.mkdir()
    for width in (4, 8, 12):
        own_build(builds, width, 0.8)
    result = run("--reports", str(builds), "--format", "json")
    assert result.exit_code == 0, result.output
    rows = {row["source"]: row for row in json.loads(result.stdout) if row["resource"] == "lut"}
    before, after = rows
    assert before.startswith("before, Vivado 2019.2, xczu3eg")
    assert rows[before]["median_error"] > 0.2 > 0.01 > rows[after]["median_error"]
    assert "Vivado 2019.2 was never seen for xczu3eg: starting from" in result.stderr
    assert (own_coefficients / "vivado-2019.2-xczu3eg.json").exists()
    assert coefficients.coefficients_for("xcup", "xczu3eg").version == "2019.2"
    assert coefficients.coefficients_for("xcup", "xczu7ev").version != "2019.2"


def test_refitting_twice_scales_the_same_coefficients(tmp_path: Path, own_coefficients: Path) -> None:
    builds = tmp_path / "builds"
    builds.mkdir()
    own_build(builds, 8, 1.1)
    assert run("--reports", str(builds)).exit_code == 0
    path = own_coefficients / "vivado-2019.2-xczu3eg.json"
    once = path.read_text()
    result = run("--reports", str(builds), "--format", "json")
    assert path.read_text() == once
    sources = [row["source"] for row in json.loads(result.stdout)]
    assert all(source.startswith("before") for source in sources), "a single build cannot check its own fit"


def test_an_interval_of_one_build_is_no_narrower_than_the_model_s(tmp_path: Path, own_coefficients: Path) -> None:
    design = own_build(tmp_path, 8, 1.1)
    before = estimate(design).lut
    builds, _ = collect_builds(tmp_path)
    fitted = refit_on_builds(builds)[0].coefficients
    base = coefficients.coefficients_for("xcup")
    assert fitted.network_half_width["lut"] == pytest.approx(base.network_half_width["lut"] * 2**0.5)
    assert before.low < before.value
    term, unscaled = next(iter(base.lut["stem"].coefficients.items()))
    scaled = fitted.lut["stem"].coefficients[term]
    assert scaled.value == pytest.approx(unscaled.value * 1.1, rel=1e-3)
    if unscaled.standard_error is not None:
        assert scaled.standard_error == pytest.approx(unscaled.standard_error * 1.1, rel=1e-3)


def test_a_build_for_an_older_board_is_tied_by_its_device(tmp_path: Path) -> None:
    """Vivado until about 2020 prints parts of 7-series without 'xc'."""
    own_build(tmp_path, 4, 1.0, part="7z020clg400-1", device="pynq-z2")
    builds, notes = collect_builds(tmp_path)
    assert [build.design.device for build in builds] == ["pynq-z2"], notes


def test_reports_that_do_not_belong_are_named(tmp_path: Path) -> None:
    own_build(tmp_path, 4, 1.0)
    other = own_build(tmp_path, 8, 1.0, part="xczu2egsbva484-1")
    alone = own_build(tmp_path, 12, 1.0)
    (tmp_path / f"{alone.key}.json").unlink()
    (tmp_path / "cut_utilization_placed.rpt").write_text(UTILIZATION[:1500])
    builds, notes = collect_builds(tmp_path)
    assert len(builds) == 1
    assert any("part xczu2eg" in note for note in notes)
    assert any(f"{alone.key}.json" in note for note in notes)
    assert any("cut_utilization_placed.rpt: not read" in note for note in notes)
    assert other.key not in {build.design.key for build in builds}


def test_a_build_whose_timing_is_not_met_is_kept_and_named(tmp_path: Path) -> None:
    design = own_build(tmp_path, 4, 1.0)
    (tmp_path / "w4_timing.rpt").write_text(MISSED_TIMING.replace("KEY", design.key))
    builds, notes = collect_builds(tmp_path)
    assert [build.timing_met for build in builds] == [False]
    assert any("w4_utilization_placed.rpt: kept, but its timing is not met" in note for note in notes)


def test_the_routed_timing_counts_where_there_are_two(tmp_path: Path) -> None:
    design = own_build(tmp_path, 4, 1.0)
    missed = MISSED_TIMING.replace("KEY", design.key)
    met = missed.replace("-0.250", " 0.250").replace("-3.000", " 0.000").replace("        17", "         0")
    met = met.replace("Timing constraints are not met.", "All user specified timing constraints are met.")
    (tmp_path / "w4_timing_routed.rpt").write_text(missed)
    (tmp_path / "w4_timing_synth.rpt").write_text(met)
    assert [build.timing_met for build in collect_builds(tmp_path)[0]] == [False]
    (tmp_path / "w4_timing_routed.rpt").write_text(met)
    (tmp_path / "w4_timing_synth.rpt").write_text(missed)
    assert [build.timing_met for build in collect_builds(tmp_path)[0]] == [True]


def test_a_folder_without_own_builds_is_an_error(tmp_path: Path) -> None:
    result = run("--reports", str(tmp_path))
    assert isinstance(result.exception, ConfigError)
    assert own_builds.collect_builds(tmp_path) == ([], [])
