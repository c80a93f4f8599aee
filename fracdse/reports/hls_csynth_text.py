"""HLS synthesis as text: <function>_csynth.rpt of Vivado HLS and Vitis HLS, and csynth.rpt of a Vitis solution."""

from __future__ import annotations

import re
from dataclasses import replace

from fracdse.reports.figures import is_word, period_ns, time_ns, whole
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.tables import Table, find_tables

_WHAT = "HLS synthesis"
_TITLE = re.compile(r"== (?P<tool>Vivado|Vitis) HLS Report for '(?P<top>.*)'\s*\Z")
_SUMMARY_TITLE = re.compile(r"== Synthesis Summary Report of '(?P<top>.*)'\s*\Z")
_GENERAL_LINES = 40
_VERSION = re.compile(r"\d{4}\.\d+(?:\.\d+)*")
_RULE = re.compile(r"=+\Z")


def read_hls_csynth_text(source: ReportText) -> Report:
    """Read the report of one function or of a whole solution.

    A latency printed as '?' is None, with a note; '-' in the area tables stands for none and reads 0.

    Raises:
        ReportError: A row that the report must have is missing or unreadable, or the report is cut off.
    """
    titles = [
        (index, match)
        for index, line in enumerate(source.lines)
        if line.startswith("== ") and (match := _TITLE.match(line) or _SUMMARY_TITLE.match(line))
    ]
    if not titles:
        raise source.missing(_WHAT, "HLS Report for")
    source, notes = source.first_of([(index - 1, match["top"]) for index, match in titles])
    start, title = titles[0]
    general = _general(source, start)
    if title.re is _TITLE:
        report = _read_function(source, replace(general, tool=f"{title['tool']} HLS", top=title["top"]))
    else:
        report = _read_solution(source, replace(general, tool="Vitis HLS", top=title["top"]))
    return replace(report, notes=(*notes, *report.notes))


def _read_function(source: ReportText, report: Report) -> Report:
    sections = _sections(source)
    for title in ("Performance Estimates", "Utilization Estimates", "Interface"):
        if title not in sections:
            raise source.missing(_WHAT, title)
    performance = list(find_tables(source, sections["Performance Estimates"], sections["Utilization Estimates"]))
    area = list(find_tables(source, sections["Utilization Estimates"], sections["Interface"]))
    interface = list(find_tables(source, sections["Interface"]))
    if not any("RTL Ports" in table.columns for table in interface):
        raise source.missing(_WHAT, "RTL Ports")
    report = _with_area(source, _total_row(source, area), report)
    return _with_latency(source, performance, _with_clock(source, performance, report))


def _general(source: ReportText, title: int) -> Report:
    """Read the rows below the title, which are marked with stars."""
    fields: dict[str, str] = {}
    for line in source.lines[title : title + _GENERAL_LINES]:
        name, colon, value = line.partition(":")
        if colon and name.lstrip().startswith("* "):
            fields.setdefault(name.strip().removeprefix("* "), value.strip())
    for row in ("Version", "Target device"):
        if not fields.get(row):
            raise source.missing(_WHAT, row)
    version = _VERSION.match(fields["Version"])
    if version is None:
        raise source.unreadable("Version", fields["Version"], "a version such as 2019.2")
    return Report(kind="csynth_rpt", name=source.name, tool="HLS", version=version[0], part=fields["Target device"])


def _sections(source: ReportText) -> dict[str, int]:
    """Return the lines on which '== Title' stands between two rules."""
    sections: dict[str, int] = {}
    lines = source.lines
    for index in range(1, len(lines) - 1):
        if lines[index].startswith("== ") and _RULE.match(lines[index - 1]) and _RULE.match(lines[index + 1]):
            sections.setdefault(lines[index][3:].strip(), index)
    return sections


def _with_clock(source: ReportText, tables: list[Table], report: Report) -> Report:
    table = next((table for table in tables if table.columns[:2] == ("Clock", "Target")), None)
    row = next(table.whole_rows(source, "Clock"), None) if table else None
    if table is None or row is None:
        raise source.missing(_WHAT, "Timing Summary Clock")
    cells = dict(zip(table.columns, row, strict=True))
    return replace(
        report,
        clock_name=cells["Clock"],
        clock_ns=period_ns(source, "Timing Summary Target", cells["Target"]),
        clock_estimated_ns=_time_or_word(source, "Timing Summary Estimated", cells.get("Estimated", "")),
        clock_uncertainty_ns=_time_or_word(source, "Timing Summary Uncertainty", cells.get("Uncertainty", "")),
    )


def _time_or_word(source: ReportText, row: str, cell: str) -> float | None:
    return None if is_word(cell) else time_ns(source, row, cell)


def _with_latency(source: ReportText, tables: list[Table], report: Report) -> Report:
    """Read the latency's summary; its columns are in pairs min and max, cycles first and the interval last."""
    table = next((table for table in tables if table.header[0][0].startswith("Latency")), None)
    row = next(table.whole_rows(source, "Latency"), None) if table else None
    if table is None or row is None:
        raise source.missing(_WHAT, "Latency Summary")
    if table.columns[:2] != ("min", "max") or table.columns.count("min") < 2:
        raise source.unreadable("Latency Summary", " ".join(table.columns), "pairs of columns min and max")
    interval = len(table.columns) - 1 - table.columns[::-1].index("min")
    lowest, highest = _cycles(source, "Latency", row[0]), _cycles(source, "Latency", row[1])
    return replace(
        report,
        latency_cycles_min=lowest,
        latency_cycles_max=highest,
        interval_cycles_min=_cycles(source, "Interval", row[interval]),
        interval_cycles_max=_cycles(source, "Interval", row[interval + 1]),
        notes=report.notes if highest is not None else (*report.notes, f"latency is printed as '{row[1]}'"),
    )


def _cycles(source: ReportText, row: str, cell: str) -> int | None:
    return None if is_word(cell) else whole(source, row, cell)


def _total_row(source: ReportText, tables: list[Table]) -> dict[str, str]:
    for table in tables:
        if table.columns[0] == "Name" and "LUT" in table.columns and "Module" not in table.columns:
            for cells in table.whole_rows(source, "Utilization Estimates"):
                if cells[0] == "Total":
                    return dict(zip(table.columns, cells, strict=True))
            raise source.missing(_WHAT, "Utilization Estimates Total")
    raise source.missing(_WHAT, "Utilization Estimates Summary")


def _with_area(source: ReportText, row: dict[str, str], report: Report) -> Report:
    def count(*columns: str) -> int:
        for column in columns:
            if column in row:
                return whole(source, column, row[column], dash_is_zero=True)
        raise source.missing(_WHAT, columns[0])

    return replace(
        report,
        lut=count("LUT"),
        ff=count("FF"),
        bram18=count("BRAM_18K", "BRAM"),
        dsp=count("DSP", "DSP48E", "DSP58", "DSPFP32"),
        uram=count("URAM") if "URAM" in row else None,
    )


def _read_solution(source: ReportText, report: Report) -> Report:
    """Read the first row, which is the top function, of the table of modules and loops.

    Its one column of cycles and its one of intervals are those of the worst case.
    """
    if source.text.rstrip().endswith("|"):
        raise source.cut_off("its last line is inside a table")
    table = next((table for table in find_tables(source) if "Slack" in table.columns and "LUT" in table.columns), None)
    row = next(table.whole_rows(source, "Modules & Loops"), None) if table else None
    if table is None or row is None:
        raise source.missing(_WHAT, "Performance & Resource Estimates")
    if not table.body[0].startswith("|+"):  # functions inside others stand further to the right
        raise source.missing(_WHAT, f"Modules & Loops + {report.top}")
    cells = dict(zip(table.columns, row, strict=True))  # by the header's last line: the first one may merge cells
    for column in ("(cycles)", "Interval"):
        if column not in cells:
            raise source.missing(_WHAT, f"Modules & Loops {column}")
    latency = _cycles(source, "Latency (cycles)", cells["(cycles)"])
    interval = _cycles(source, "Interval", cells["Interval"])
    notes = ["the table of modules and loops prints no clock", "it prints the longest latency and interval only"]
    if latency is None:
        notes.append("latency is printed as '-' or '?'")
    return replace(
        _with_area(source, cells, report),
        latency_cycles_max=latency,
        interval_cycles_max=interval,
        notes=tuple(notes),
    )
