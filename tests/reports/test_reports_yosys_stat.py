from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_samples import yosys_text

from fracdse.build.yosys_script import run_script
from fracdse.errors import ReportError
from fracdse.reports import Report, read_report, read_report_text

CELLS = (("$scopeinfo", 4), ("FDRE", 48), ("LUT2", 3), ("LUT6", 5), ("SRL16E", 2), ("RAM64X1D", 3), ("RAMB36E2", 1))
CELLS += (("RAMB18E2", 1), ("DSP48E2", 2), ("CARRY4", 6))


def as_json(cells: dict[str, int], total: int | None = None, **more: object) -> str:
    module = {"num_cells": sum(cells.values()) if total is None else total, "num_cells_by_type": cells}
    return json.dumps({"creator": "Yosys 0.45 (git sha1 0)", "modules": {"\\top": module}, **more})


def area(report: Report) -> tuple[int | None, ...]:
    return report.lut, report.lut_logic, report.lut_memory, report.ff, report.bram18, report.dsp, report.uram


@pytest.mark.parametrize(
    "text",
    [yosys_text(cells=CELLS), yosys_text(new=False, cells=CELLS), as_json(dict(CELLS))],
    ids=["new", "old", "json"],
)
def test_area_of_one_module(text: str) -> None:
    report = read_report_text(text, "x")
    assert (report.kind, report.tool, report.top) == ("yosys", "Yosys", "top")
    assert area(report) == (16, 8, 8, 48, 3, 2, 0)
    assert dict(report.primitives) == dict(CELLS[1:])


def test_version_is_read_where_it_is_printed() -> None:
    assert read_report_text(as_json({"LUT6": 1}), "x").version == "0.45"
    assert read_report_text(yosys_text(), "x").version is None
    assert read_report_text(yosys_text() + "Yosys 0.70 (git sha1 28ba3cb92)\n", "x").version == "0.70"


def test_hierarchy_gives_the_whole_design() -> None:
    old = (
        "=== sub ===\n\n   Number of cells:   17\n     DSP48E1    1\n     FDRE     16\n\n"
        "=== top ===\n\n   Number of cells:   3\n     LUT2   2\n     sub     1\n\n"
        "=== design hierarchy ===\n\n   top       1\n     sub     1\n\n"
        "   Number of cells:   19\n     DSP48E1   1\n     FDRE    16\n     LUT2    2\n\n"
    )
    report = read_report_text(old, "x")
    assert (report.top, report.lut, report.ff, report.dsp) == ("top", 2, 16, 1)
    with pytest.raises(ReportError, match="no '=== design hierarchy ==='"):
        read_report_text(old[: old.index("=== design")], "x")


def test_json_hierarchy_gives_the_whole_design() -> None:
    sub = {"num_cells": 2, "num_cells_by_type": {"FDRE": 2}}
    top = {"num_cells": 3, "num_cells_by_type": {"LUT2": 2, "sub": 1}}
    design = {"num_cells": 4, "num_cells_by_type": {"LUT2": 2, "FDRE": 2, "sub": 1}}
    modules = {"\\sub": sub, "\\top": top}
    report = read_report_text(json.dumps({"modules": modules, "design": design}), "x")
    assert (report.top, report.lut, report.ff) == ("top", 2, 2)
    with pytest.raises(ReportError, match="no 'design'"):
        read_report_text(json.dumps({"modules": modules}), "x")


def test_last_pass_of_a_log_counts() -> None:
    log = " |  yosys -- Yosys Open SYnthesis Suite  |\n\n" + yosys_text(cells=[("LUT2", 9)])
    log += "\n2.56. Executing CHECK pass.\nchecked\n\n" + yosys_text(cells=[("LUT2", 4)])
    assert read_report_text(log + "End of script. Logfile hash: 0\n", "x").lut == 4
    with pytest.raises(ReportError, match="does not reach 'End of script"):
        read_report_text(log, "x")


@pytest.mark.parametrize("new", [True, False])
def test_row_that_is_missing_shows_in_the_sum(new: bool) -> None:
    lines = [line for line in yosys_text(new).split("\n") if "FDRE" not in line]
    with pytest.raises(ReportError, match="56 cells are announced, 8 are listed"):
        read_report_text("\n".join(lines), "x")


@pytest.mark.parametrize("kind", ["$lut", "$_DFF_P_", "$add"])
def test_cells_that_are_not_mapped_are_refused(kind: str) -> None:
    with pytest.raises(ReportError, match="not mapped"):
        read_report_text(yosys_text(cells=[(kind, 3)]), "x")


def test_cells_of_another_maker_alone_are_refused() -> None:
    with pytest.raises(ReportError, match="no cell of an AMD device, but SB_DFF, SB_LUT4"):
        read_report_text(yosys_text(cells=[("SB_LUT4", 12), ("SB_DFF", 3)]), "x")


def test_json_in_a_log_is_read_and_its_last_pass_counts() -> None:
    log = f"3. Printing statistics.\n\n{as_json({'LUT6': 9})}\n\n4. Printing statistics.\n\n{as_json({'LUT6': 5})}\n"
    assert read_report_text(log + "\nEnd of script.\n", "x").lut == 5
    with pytest.raises(ReportError, match="JSON cannot be read"):
        read_report_text(log[:-20], "x")


def test_two_documents_in_one_json_file_are_refused() -> None:
    with pytest.raises(ReportError, match="behind the JSON"):
        read_report_text(as_json({"LUT6": 9}) + as_json({"LUT6": 5}), "x")


def test_black_boxes_are_noted() -> None:
    report = read_report_text(as_json({"LUT6": 2, "my_ip": 1}), "x")
    assert report.notes == ("not counted, area not known: my_ip",)


@pytest.mark.parametrize(
    "text",
    [
        as_json({"LUT6": 2}, total=3),
        as_json({"LUT6": 2})[:-5],
        '{"modules": []}',
        '{"modules": {"\\\\top": {"num_cells_by_type": {"LUT6": "x"}, "num_cells": 1}}}',
        '{"modules": {"\\\\top": {"num_cells": 1}}}',
        '{"modules": ' + "[" * 100_000,
        '{"creator": "x"}',
    ],
)
def test_damaged_json_is_refused(text: str) -> None:
    with pytest.raises(ReportError):
        read_report_text(text, "x")


def test_statistics_of_the_installed_yosys(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(
        "module sub(input c, input [7:0] a, b, output reg [15:0] y); always @(posedge c) y <= a * b; endmodule\n"
        "module top(input c, input [7:0] a, b, output [15:0] y, output reg z); sub u(c, a, b, y);\n"
        "always @(posedge c) z <= ^{a, b}; endmodule\n"
    )
    passes = (
        "stat.txt stat",
        "tech.txt stat -tech xilinx",
        "stat.json stat -json",
        "tech.json stat -json -tech xilinx",
    )
    passes += ("deep.txt stat -hierarchy", "deep.json stat -hierarchy -json")
    lines = ["read_verilog top.v", "synth_xilinx -family xcup -top top", *(f"tee -o {p}" for p in passes)]
    run_script("\n".join(lines), tmp_path, "a product", 600)
    reports = [read_report(tmp_path / p.split(" ")[0]) for p in passes]
    assert {(report.top, report.dsp) for report in reports} == {("top", 1)}
    assert len({area(report) for report in reports}) == 1
    assert {report.version is None for report in reports if report.name.endswith(".json")} == {False}
