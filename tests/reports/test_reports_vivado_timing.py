from __future__ import annotations

import pytest
from report_samples import aligned, timing, timing_section

from fracdse.errors import ReportError
from fracdse.reports import read_report_text


def test_summary_of_one_clock() -> None:
    report = read_report_text(timing(), "x")
    assert (report.kind, report.wns_ns, report.tns_ns, report.whs_ns) == ("timing", 0.331, 0.0, 0.021)
    assert (report.clock_name, report.clock_ns, report.timing_met) == ("clk_pl_0", 5.0, True)
    assert (report.part, report.speed_grade, report.failing_endpoints) == ("xczu3eg-sbva484", "-1", 0)


def test_missed_timing_is_kept_and_marked() -> None:
    report = read_report_text(timing("-5.399", met=False), "x")
    assert (report.wns_ns, report.timing_met) == (-5.399, False)
    assert report.notes[0] == "timing is not met"


def test_clock_is_the_one_with_the_most_endpoints() -> None:
    clocks = [("gclk", "10.000", 3), ("clk_pl_0", "5.000", 900), ("other", "40.000", 900)]
    report = read_report_text(timing(clocks=clocks), "x")
    assert (report.clock_name, report.clock_ns) == ("clk_pl_0", 5.0)
    assert "3 clocks" in report.notes[0]


@pytest.mark.parametrize("word", ["inf", "NA"])
def test_no_constrained_path_is_none_with_a_note(word: str) -> None:
    report = read_report_text(timing(word, clocks=[], met=None), "x")
    assert (report.wns_ns, report.clock_ns, report.timing_met) == (None, None, None)
    assert report.notes == (f"WNS is printed as '{word}': no path is constrained", "no clock is constrained")


@pytest.mark.parametrize("title", ["Design Timing Summary", "Clock Summary", "Intra Clock Table", "Inter Clock Table"])
def test_missing_section_is_named(title: str) -> None:
    with pytest.raises(ReportError, match=f"no '{title}'"):
        read_report_text(timing().replace(f"| {title}\n", "\n"), "x")


def test_missing_clock_row_is_named() -> None:
    text = timing(clocks=[("clk_pl_0", "5.000", 900), ("clk_pl_1", "10.000", 5)])
    lines = [line for line in text.split("\n") if not line.startswith("clk_pl_0  {")]
    with pytest.raises(ReportError, match="Clock Summary row clk_pl_0"):
        read_report_text("\n".join(lines), "x")


def test_clock_table_without_rows_is_refused() -> None:
    lines = [line for line in timing("NA").split("\n") if not line.startswith("clk_pl_0  ")]
    with pytest.raises(ReportError, match="Clock Summary row of any clock"):
        read_report_text("\n".join(lines), "x")


def test_missing_slack_row_is_named() -> None:
    text = timing()
    row = next(line for line in text.split("\n") if line.lstrip().startswith("0.331"))
    with pytest.raises(ReportError, match=r"no 'Design Timing Summary WNS\(ns\)'"):
        read_report_text(text.replace(row + "\n", "\n"), "x")


def test_finite_slack_needs_a_clock() -> None:
    with pytest.raises(ReportError, match="Clock Summary row of any clock"):
        read_report_text(timing("0.5", clocks=[]), "x")


@pytest.mark.parametrize(("wns", "met"), [("0.331", True), ("0.000", True), ("-0.002", False)])
def test_slack_tells_whether_timing_is_met_where_no_verdict_is_printed(wns: str, met: bool) -> None:
    text = timing(wns).replace("All user specified timing constraints are met.", "")
    assert read_report_text(text, "x").timing_met is met


def test_details_that_are_cut_off_are_noticed() -> None:
    text = timing()
    for end in (text.index("Max Delay Paths"), text.index("Min Delay Paths"), text.rindex("          slack")):
        with pytest.raises(ReportError, match="cut off"):
            read_report_text(text[:end], "x")


def test_groups_without_constraints_may_have_paths_of_one_kind_only() -> None:
    group = ("(none)", "clk_pl_0", "")
    table = timing_section("Unconstrained Path Table", aligned(("Path Group", "From Clock", "To Clock"), [group], 3))
    heading = "Path Group:  (none)\nFrom Clock:  clk_pl_0\n  To Clock:\n\nMax Delay             0 Endpoints\n"
    heading += "Min Delay            18 Endpoints\n\n"
    text = timing().replace("-max_paths 10", "-max_paths 10 -report_unconstrained")
    start = text.index("-" * 96 + "\n| Timing Details")
    text = text[:start] + table + text[start:]
    with pytest.raises(ReportError, match="cut off: it has 0 groups without constraints of the 1"):
        read_report_text(text, "x")
    with pytest.raises(ReportError, match="1 blocks 'Min Delay Paths' of the 2"):
        read_report_text(text + heading, "x")
    paths = "Min Delay Paths\nSlack:  inf\n          slack  inf\n"
    assert read_report_text(text + heading + paths, "x").wns_ns == 0.331


def test_summary_of_setup_paths_alone() -> None:
    text = timing().replace("-max_paths 10", "-delay_type max -max_paths 10").replace("Min Delay Paths", "")
    assert read_report_text(text, "x").wns_ns == 0.331


def test_details_may_be_left_out_on_purpose() -> None:
    text = timing(details=False).replace("-max_paths 10", "-no_detailed_paths")
    assert read_report_text(text, "x").wns_ns == 0.331


def test_blank_cells_keep_their_columns() -> None:
    """A clock without setup paths leaves its WNS blank; its hold slack must not move into that column."""
    text = timing(clocks=[("clk_pl_0", "5.000", 900), ("clk_fb", "40.000", 1)])
    row = next(line for line in text.split("\n") if line.startswith("clk_fb  ") and "{" not in line)
    blank = row[:14] + " " * 48 + row[62:]
    report = read_report_text(text.replace(row, blank), "x")
    assert report.clock_name == "clk_pl_0"
