"""HLS synthesis as text and as XML, and HLS export as text and as XML."""

from __future__ import annotations

import pytest
from report_samples import (
    csynth,
    csynth_xml,
    export_text,
    export_xml,
    merged_solution_csynth,
    new_export_text,
    solution_csynth,
)

from fracdse.errors import ReportError
from fracdse.reports import Report, read_report_text


def area(report: Report) -> tuple[int | None, ...]:
    return report.lut, report.ff, report.bram18, report.dsp, report.uram


@pytest.mark.parametrize("tool", ["Vivado", "Vitis"])
def test_function_report_as_text(tool: str) -> None:
    report = read_report_text(csynth(tool), "x")
    assert (report.kind, report.tool, report.version, report.top) == ("csynth_rpt", f"{tool} HLS", "2019.2", "conv")
    assert area(report) == (4490, 1951, 4, 0, 0)
    assert (report.clock_name, report.clock_ns, report.clock_estimated_ns) == ("ap_clk", 4.0, 3.449)
    assert (report.latency_cycles_min, report.latency_cycles_max) == (425, 425)
    assert (report.interval_cycles_min, report.interval_cycles_max) == (426, 427)
    assert report.part == "xczu3eg-sbva484-1-e"


def test_text_of_old_tools_has_other_columns() -> None:
    text = csynth(uram=False).replace("4.00 ns", "4.00   ").replace("3.449 ns", "3.449   ")
    wide = "    |  Latency (cycles) |  Latency (absolute) |  Interval | Pipeline|\n"
    text = text.replace(wide, "    |  Latency  |  Interval | Pipeline|\n")
    text = text.replace(
        "    |   min   |   max   |    min   |    max   | min | max |   Type  |\n",
        "    | min | max | min | max | Type |\n",
    )
    text = text.replace("| 1.700 us | 1.700 us |", "|")
    report = read_report_text(text, "x")
    assert (report.clock_ns, report.uram, report.latency_cycles_max, report.interval_cycles_max) == (
        4.0,
        None,
        425,
        427,
    )


@pytest.mark.parametrize("word", ["?", "undef"])
def test_unknown_latency_is_none_with_a_note(word: str) -> None:
    for report in (read_report_text(csynth(latency=word), "x"), read_report_text(csynth_xml(latency=word), "x")):
        assert (report.latency_cycles_min, report.latency_cycles_max) == (None, None)
        assert report.notes == (f"latency is printed as '{word}'",)


@pytest.mark.parametrize(
    ("start", "named"),
    [
        ("|ap_clk ", "Timing Summary Clock"),
        ("| Total ", "Utilization Estimates Total"),
        ("* Version:", "Version"),
        ("* Target device:", "Target device"),
        ("== Interface", "Interface"),
        ("== Utilization Estimates", "Utilization Estimates"),
        ("    |      425|", "Latency Summary"),
    ],
)
def test_missing_row_of_a_text_is_named(start: str, named: str) -> None:
    lines = csynth().replace("    | ap_clk ", "|ap_clk ").split("\n")
    kept = [line for line in lines if not line.startswith(start)]
    assert len(kept) == len(lines) - 1
    with pytest.raises(ReportError, match=f"no '{named}'"):
        read_report_text("\n".join(kept), "x")


def test_solution_report_reads_its_first_row() -> None:
    report = read_report_text(solution_csynth(), "csynth.rpt")
    assert (report.tool, report.version, report.top, report.part) == (
        "Vitis HLS",
        "2022.1.2",
        "dut",
        "xcu280-fsvh2892-2L-e",
    )
    assert area(report) == (45298, 5847, 9, 0, None)
    assert (report.latency_cycles_max, report.interval_cycles_max, report.clock_ns) == (3835, 3836, None)
    assert (report.latency_cycles_min, report.interval_cycles_min) == (None, None)
    assert "it prints the longest latency and interval only" in report.notes
    assert read_report_text(solution_csynth("-"), "csynth.rpt").latency_cycles_max is None


def test_solution_report_whose_header_merges_two_cells() -> None:
    report = read_report_text(merged_solution_csynth(), "csynth.rpt")
    assert (report.version, report.latency_cycles_max, report.interval_cycles_max) == ("2025.1", 3835, 3836)
    assert area(report) == (45298, 5847, 9, 0, None)
    with pytest.raises(ReportError, match=r"no 'Modules & Loops \(cycles\)'"):
        read_report_text(merged_solution_csynth().replace("(cycles)", "(clocks)"), "csynth.rpt")


def test_report_below_a_long_log_is_read() -> None:
    log = "INFO: [HLS 200-10] running\n" * 200
    assert read_report_text(log + csynth(), "x") == read_report_text(csynth(), "x")


def test_two_functions_in_one_file_are_refused_and_one_function_twice_is_read_once() -> None:
    with pytest.raises(ReportError, match="two designs, 'conv' and 'pool'"):
        read_report_text(csynth() + csynth().replace("'conv'", "'pool'"), "x")
    report = read_report_text(csynth() + csynth(latency="9"), "x")
    assert (report.latency_cycles_max, report.notes) == (425, ("the file holds 2 reports; only the first is read",))


def test_solution_report_without_its_first_row_is_refused() -> None:
    lines = [line for line in solution_csynth().split("\n") if not line.startswith("    |+ dut")]
    with pytest.raises(ReportError, match=r"no 'Modules & Loops \+ dut'"):
        read_report_text("\n".join(lines), "x")


def test_function_report_as_xml() -> None:
    report = read_report_text(csynth_xml(), "x")
    assert (report.kind, report.tool, report.version, report.top) == ("csynth_xml", "Vivado HLS", "2019.2", "conv")
    assert area(report) == (4490, 1951, 4, 5, 0)
    assert (report.clock_ns, report.clock_uncertainty_ns, report.clock_estimated_ns) == (4.0, 0.5, 3.449)
    assert (report.latency_cycles_max, report.interval_cycles_min) == (425, 426)
    assert read_report_text(csynth_xml(uram=False), "x").uram is None


@pytest.mark.parametrize(
    ("version", "extra", "tool"),
    [
        ("2016.4", "", "Vivado HLS"),
        ("2020.1.1", "", "Vivado HLS"),
        ("2020.1", "<FlowTarget>vivado</FlowTarget>\n", "Vitis HLS"),
        ("2024.1.2", "", "Vitis HLS"),
    ],
)
def test_tool_of_an_xml_follows_from_version_and_flow(version: str, extra: str, tool: str) -> None:
    assert read_report_text(csynth_xml(version, extra=extra), "x").tool == tool


def test_xml_with_namespaces() -> None:
    text = csynth_xml().replace("<profile>", '<h:profile xmlns:h="urn:hls">').replace("</profile>", "</h:profile>")
    text = text.replace("<LUT>4490</LUT>", "<h:LUT>4490</h:LUT>", 1)
    assert read_report_text(text, "x").lut == 4490


@pytest.mark.parametrize(
    "element",
    [
        "Version",
        "Part",
        "TopModelName",
        "TargetClockPeriod",
        "Worst-caseLatency",
        "Best-caseLatency",
        "LUT",
        "BRAM_18K",
    ],
)
def test_missing_element_is_named(element: str) -> None:
    text = csynth_xml()
    start, end = text.index(f"<{element}>"), text.index(f"</{element}>") + len(element) + 3
    with pytest.raises(ReportError, match=f"no '{element}'"):
        read_report_text(text[:start] + text[end:], "x")


def test_uram_of_a_device_that_has_it_must_be_there() -> None:
    with pytest.raises(ReportError, match="no 'URAM'"):
        read_report_text(csynth_xml().replace("<URAM>0</URAM>", "", 1), "x")


def test_export_as_text() -> None:
    report = read_report_text(export_text(), "0061_owner__repo__conv_export.rpt")
    assert (report.kind, report.tool, report.version) == ("export", "Vivado (HLS export)", "2019.2.1")
    assert (report.top, report.part, report.design_state) == ("conv", "xczu3eg-sbva484-1-e", "Post-Synthesis")
    assert area(report) == (51224, 90939, 401, 249, None)
    assert (report.clock_ns, report.clock_achieved_ns, report.timing_met) == (4.0, 4.376, False)
    assert report.lut_shift_register == 1230


def test_export_after_implementation() -> None:
    report = read_report_text(export_text("Post-Implementation", uram=True, met="Timing met"), "conv_export.rpt")
    assert (report.clock_achieved_ns, report.uram, report.timing_met, report.top) == (4.501, 3, True, "conv")


def test_export_without_paths_says_so() -> None:
    report = read_report_text(export_text(met="No Sequential Path").replace("    4.376", "    NA"), "x")
    assert (report.clock_achieved_ns, report.timing_met) == (None, None)
    assert report.notes == ("the achieved clock period is printed as 'NA'",)


def test_export_text_of_new_tools() -> None:
    report = read_report_text(new_export_text(), "export_impl.rpt")
    assert (report.version, report.part, report.top) == ("2024.2", "xc7z020-clg484-1", None)
    assert area(report) == (7952, 13792, 1, 0, 0)
    assert (report.clock_ns, report.clock_achieved_ns, report.timing_met) == (15.0, 9.5, True)


@pytest.mark.parametrize(
    "row", ["LUT", "FF", "DSP", "BRAM", "CP required", "CP achieved post-synthesis", "Device target"]
)
def test_missing_row_of_an_export_is_named(row: str) -> None:
    lines = [line for line in export_text().split("\n") if not line.startswith(f"{row}:")]
    with pytest.raises(ReportError, match=f"no '{row.replace('synthesis', '')}"):
        read_report_text("\n".join(lines), "x")


def test_export_without_its_last_line_is_cut_off() -> None:
    with pytest.raises(ReportError, match="no 'Timing met'"):
        read_report_text(export_text(met=""), "x")


def test_export_as_xml() -> None:
    report = read_report_text(export_xml(), "conv_export.xml")
    assert (report.kind, report.top, report.version, report.part) == ("export", "conv", None, None)
    assert area(report) == (51224, 90939, 401, 249, None)
    assert (report.clock_ns, report.clock_achieved_ns) == (4.0, 4.376)


def test_export_xml_of_new_tools_has_the_version_and_uram() -> None:
    run = "<RunData><RUN_TYPE>impl</RUN_TYPE><VIVADO_VERSION>v.2024.2</VIVADO_VERSION></RunData>"
    text = export_xml("NA", run)
    with pytest.raises(ReportError, match="no 'URAM'"):
        read_report_text(text, "export_impl.xml")
    report = read_report_text(text.replace("<SRL>", "<URAM>2</URAM><SRL>"), "export_impl.xml")
    assert (report.version, report.uram, report.top, report.clock_achieved_ns) == ("2024.2", 2, None, None)


def test_export_xml_of_new_tools_names_part_and_top() -> None:
    run = "<RunData><RUN_TYPE>synth</RUN_TYPE><VIVADO_VERSION>v.2022.2</VIVADO_VERSION></RunData>"
    end = (
        '<RtlModules><RtlModule IS_TOP="1" MODULENAME="sort"><Resources FF="603"/></RtlModule>'
        '<RtlModule IS_TOP="0" MODULENAME="inner"/></RtlModules>'
        '<GeneralInfo><item NAME="Version" VALUE="2022.2"/><item NAME="Target device" VALUE="xcu280-fsvh2892-2L-e"/>'
        "</GeneralInfo></profile>"
    )
    text = export_xml("2.503", run).replace("<SRL>", "<URAM>0</URAM><SRL>").replace("</profile>", end)
    report = read_report_text(text, "export_syn.xml")
    assert (report.part, report.top, report.lut) == ("xcu280-fsvh2892-2L-e", "sort", 51224)


def test_export_of_synthesis_whose_table_says_post_route() -> None:
    text = (
        new_export_text().replace("Place & Route", "RTL Synthesis").replace("| Post-Synthesis | 9.011", "| Other | 1")
    )
    report = read_report_text(text, "export_syn.rpt")
    assert (report.design_state, report.clock_achieved_ns) == ("RTL Synthesis", 9.5)


def test_function_report_as_xml_without_an_interval() -> None:
    text = csynth_xml("2013.2").replace("<Interval-min>426</Interval-min>", "")
    with pytest.raises(ReportError, match="no 'Interval-min'"):
        read_report_text(text, "x")
    report = read_report_text(text.replace("<Interval-max>427</Interval-max>", ""), "x")
    assert (report.latency_cycles_max, report.interval_cycles_max) == (425, None)


def test_clock_of_another_stage_is_not_taken_instead() -> None:
    lines = [line for line in new_export_text().split("\n") if not line.startswith("| Post-Route")]
    with pytest.raises(ReportError, match="no 'Post-Route'"):
        read_report_text("\n".join(lines), "x")


@pytest.mark.parametrize("element", ["LUT", "FF", "DSP", "BRAM", "TargetClockPeriod", "AchievedClockPeriod"])
def test_missing_element_of_an_export_is_named(element: str) -> None:
    text = export_xml()
    start, end = text.index(f"<{element}>"), text.index(f"</{element}>") + len(element) + 3
    with pytest.raises(ReportError, match=f"no '{element}'"):
        read_report_text(text[:start] + text[end:], "x")
