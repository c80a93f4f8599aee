from __future__ import annotations

import pytest
from report_samples import power

from fracdse.errors import ReportError
from fracdse.reports import read_report_text


def test_every_figure() -> None:
    report = read_report_text(power(), "x")
    assert (report.kind, report.design_state) == ("power", "routed")
    assert (report.total_on_chip_w, report.dynamic_w, report.static_w) == (4.798, 4.347, 0.451)
    assert (report.ps_w, report.clocks_w, report.signals_w) == (2.186, 0.234, 1.926)
    assert (report.junction_c, report.ambient_c, report.confidence) == (36.1, 25.0, "Medium")
    assert (report.clock_name, report.clock_ns, report.part) == ("clk_pl_0", 5.0, "xczu3eg-sbva484-1-e")
    assert (report.dsp_w, report.bram_w, report.uram_w, report.io_w) == (None, None, None, None)


def test_upper_bound_is_kept_with_a_note() -> None:
    report = read_report_text(power(), "x")
    assert report.logic_w == 0.001
    assert "printed as '<', kept as upper bounds: CLB Logic" in report.notes


def test_remark_behind_the_total_is_a_note() -> None:
    report = read_report_text(power(total="103.658 (Junction temp exceeded!)"), "x")
    assert report.total_on_chip_w == 103.658
    assert any("Junction temp exceeded!" in note for note in report.notes)


def test_without_processing_system_and_clocks() -> None:
    report = read_report_text(power(clocks=(), ps=False), "x")
    assert (report.ps_w, report.clock_ns, report.clocks_w) == (None, None, None)
    assert "no clock is constrained" in report.notes


def test_several_clocks() -> None:
    report = read_report_text(power(clocks=(("a", "10.0"), ("b", "33.3"))), "x")
    assert (report.clock_name, report.clock_ns) == ("a", 10.0)
    assert "2 clocks are constrained; clock_ns is of the first" in report.notes


@pytest.mark.parametrize(
    "row",
    ["Total On-Chip Power (W)", "Dynamic (W)", "Device Static (W)", "Junction Temperature (C)", "Confidence Level"],
)
def test_missing_row_of_the_summary_is_named(row: str) -> None:
    lines = [line for line in power().split("\n") if not line.startswith(f"| {row}")]
    with pytest.raises(ReportError) as caught:
        read_report_text("\n".join(lines), "x")
    assert f"no '{row}'" in caught.value.message


@pytest.mark.parametrize("row", ["PS8", "Signals", "Static Power", "Clocks"])
def test_missing_component_shows_in_the_total(row: str) -> None:
    lines = [line for line in power().split("\n") if not line.startswith(f"| {row} ")]
    with pytest.raises(ReportError, match="On-Chip Components"):
        read_report_text("\n".join(lines), "x")


def test_missing_clock_constraint_is_named() -> None:
    lines = [line for line in power().split("\n") if not line.startswith("| clk_pl_0")]
    with pytest.raises(ReportError, match="Clock Constraints row of any clock"):
        read_report_text("\n".join(lines), "x")


def test_missing_section_is_named() -> None:
    text = power()
    with pytest.raises(ReportError, match=r"no '3\.1 By Hierarchy'"):
        read_report_text(text[: text.rindex("3.1 By")], "x")
