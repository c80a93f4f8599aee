from __future__ import annotations

import pytest
from report_samples import hierarchical_utilization, system_utilization, utilization

from fracdse.errors import ReportError
from fracdse.reports import read_report_text

PROHIBITED = ("Site Type", "Used", "Fixed", "Prohibited", "Available", "Util%")
OLD_SPELLING = ("Site Type", "Used", "Loced", "Available", "Util%")


@pytest.mark.parametrize("family", ["Slice", "CLB"])
@pytest.mark.parametrize("columns", [PROHIBITED, OLD_SPELLING, ("Site Type", "Used", "Available", "Util%")])
def test_flat_report_of_every_layout(family: str, columns: tuple[str, ...]) -> None:
    report = read_report_text(utilization(family=family, columns=columns, uram=3), "top.rpt")
    assert (report.lut, report.lut_logic, report.lut_memory) == (1234, 1200, 34)
    assert (report.lut_distributed_ram, report.lut_shift_register) == (24, 10)
    assert (report.ff, report.bram36, report.ramb36, report.ramb18) == (2345, 12.5, 12, 1)
    assert (report.uram, report.dsp, report.bram18, report.clock_ns) == (3, 7, None, None)
    assert (report.kind, report.tool, report.version) == ("util_synth", "Vivado", "2019.2")
    assert (report.part, report.top, report.design_state) == ("xczu3egsbva484-1", "top", "Synthesized")


def test_uram_is_none_only_where_the_device_has_no_row_for_it() -> None:
    assert read_report_text(utilization(), "x").uram is None
    assert read_report_text(utilization(uram=0), "x").uram == 0
    with pytest.raises(ReportError, match="no 'URAM'"):
        read_report_text(utilization().replace("xczu3egsbva484-1", "xczu7evffvc1156-2"), "x")


def test_parts_of_memory_are_zero_where_no_lut_is_a_memory() -> None:
    lines = utilization().replace("| 34 ", "| 0  ").split("\n")
    kept = [line for line in lines if "Distributed RAM" not in line and "Shift Register" not in line]
    assert len(kept) == len(lines) - 2
    report = read_report_text("\n".join(kept), "x")
    assert (report.lut_memory, report.lut_distributed_ram, report.lut_shift_register) == (0, 0, 0)


@pytest.mark.parametrize("scope", ["-cells top/conv_1", "-pblocks [get_pblocks a b]"])
def test_report_of_a_part_of_the_design_says_so(scope: str) -> None:
    text = utilization().replace("report_utilization -file", f"report_utilization {scope} -file")
    report = read_report_text(text, "x")
    assert report.notes == (f"only a part of the design is counted: {scope}",)


def test_table_of_a_pblock_has_more_columns() -> None:
    columns = ("Site Type", "Parent", "Child", "Non-Assigned", "Used", "Fixed", "Available", "Util%")
    assert read_report_text(utilization(columns=columns), "x").lut == 1234


def test_versal_names_its_rows_differently() -> None:
    text = utilization(dsp_row="DSP Slices").replace("CLB Registers", "Registers")
    text = text.replace("RAMB36/FIFO*", "RAMB36E5    ").replace("RAMB36E2 only", "RAMB36E5_INT ")
    text = text.replace("| RAMB18 ", "| RAMB18E5* ", 1)
    report = read_report_text(text, "x")
    assert (report.ff, report.dsp, report.ramb36, report.ramb18) == (2345, 7, 12, 1)


@pytest.mark.parametrize("state", ["Optimized", "Fully Placed", "Routed", "Physopt postRoute"])
def test_every_state_after_synthesis_counts_as_placed(state: str) -> None:
    report = read_report_text(utilization(state), "x")
    assert (report.kind, report.design_state) == ("util_placed", state)


@pytest.mark.parametrize("version", ["v.2013.4", "v.2017.2_sdx", "v.2018.3.op", "v.2019.2.1", "v.2025.1"])
def test_version_is_read_without_its_suffix(version: str) -> None:
    assert read_report_text(utilization(version=version), "x").version in version


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("CLB LUTs*", "Slice LUTs or CLB LUTs"),
        ("  LUT as Logic", "LUT as Logic"),
        ("  LUT as Memory", "LUT as Memory"),
        ("    LUT as Shift Register", "LUT as Shift Register"),
        ("CLB Registers", "Slice Registers or CLB Registers"),
        ("Block RAM Tile", "Block RAM Tile"),
        ("  RAMB18", "RAMB18"),
        ("DSPs", "DSPs or DSP Slices"),
        ("Design State", "Design State"),
        ("Tool Version", "Tool Version"),
        ("Device", "Device"),
    ],
)
def test_missing_row_is_named(row: str, named: str) -> None:
    lines = utilization().split("\n")
    kept = [line for line in lines if not line.startswith(f"| {row} ")]
    assert len(kept) == len(lines) - 1
    with pytest.raises(ReportError, match=f"x.rpt: .*no '{named}'"):
        read_report_text("\n".join(kept), "x.rpt")


def test_missing_section_is_named() -> None:
    text = utilization()
    with pytest.raises(ReportError, match=r"no '4\. Instantiated Netlists'"):
        read_report_text(text[: text.rindex("4. Instantiated")], "x")


@pytest.mark.parametrize("wrong", ["", "many", "-3", "1e3", "12.5.1"])
def test_count_that_is_no_number_is_refused(wrong: str) -> None:
    text = utilization().replace("| 7 ", f"| {wrong:<1} ", 1)
    with pytest.raises(ReportError, match="'DSPs' reads"):
        read_report_text(text, "x")


@pytest.mark.parametrize("column", ["DSP48 Blocks", "DSP Blocks"])
def test_first_row_of_a_hierarchical_report_is_the_design(column: str) -> None:
    report = read_report_text(hierarchical_utilization(dsp_column=column), "x")
    assert (report.lut, report.lut_logic, report.lut_memory, report.ff) == (100, 90, 10, 200)
    assert (report.bram36, report.uram, report.dsp, report.kind) == (3.5, 2, 5, "util_placed")
    assert read_report_text(hierarchical_utilization(uram=False), "x").uram is None


def test_hierarchical_report_of_few_columns() -> None:
    text = hierarchical_utilization()
    for column in ("Logic LUTs", "LUTRAMs", "SRLs"):
        text = _without_column(text, column)
    report = read_report_text(text, "x")
    assert (report.lut, report.lut_logic, report.lut_memory, report.ff) == (100, None, None, 200)
    with pytest.raises(ReportError, match="no 'RAMB18'"):
        read_report_text(_without_column(text, "RAMB18"), "x")


def _without_column(text: str, column: str) -> str:
    lines = text.split("\n")
    header = next(line for line in lines if f"| {column} " in line)
    place = header[: header.index(column)].count("|")
    return "\n".join(_without_cell(line, place) for line in lines)


def _without_cell(line: str, place: int) -> str:
    mark = "+" if line.startswith("+-") else "|"
    cells = line.split(mark)
    return mark.join(cells[:place] + cells[place + 1 :]) if len(cells) > place + 1 and line[:1] in "|+" else line


def test_hierarchical_report_with_percentages() -> None:
    text = hierarchical_utilization(rows=0).replace("| 100        |", "| 100(0.14%) |").replace("| 200 |", "|1,200|")
    report = read_report_text(text, "x")
    assert (report.lut, report.ff) == (100, 1200)


@pytest.mark.parametrize("rows", [0, 3])
def test_hierarchical_report_without_its_first_row_is_refused(rows: int) -> None:
    lines = [line for line in hierarchical_utilization(rows).split("\n") if not line.startswith("| top ")]
    with pytest.raises(ReportError, match="no 'Instance top'"):
        read_report_text("\n".join(lines), "x")


def test_system_utilization_gives_the_kernels() -> None:
    report = read_report_text(system_utilization(), "x")
    assert (report.lut, report.lut_memory, report.ff, report.bram36) == (2691, 126, 3536, 49.5)
    assert (report.uram, report.dsp, report.part, report.version) == (0, 39, "xcvu9p", "2018.3")


def test_two_reports_of_one_design_read_as_the_first_with_a_note() -> None:
    report = read_report_text(utilization() + utilization("Routed"), "x")
    assert report.kind == "util_synth"
    assert "2 reports" in report.notes[0]


def test_two_reports_of_two_designs_are_refused() -> None:
    other = utilization().replace("| Design       : top", "| Design       : other")
    with pytest.raises(ReportError, match="two designs, 'top on xczu3eg' and 'other on xczu3eg'"):
        read_report_text(utilization() + other, "x")


def test_two_reports_of_two_devices_are_refused() -> None:
    text = utilization()
    other = text.replace("xczu3eg", "xczu5eg", 1)
    with pytest.raises(ReportError, match="'top on xczu3eg' and 'top on xczu5eg'"):
        read_report_text(text + other, "x")
