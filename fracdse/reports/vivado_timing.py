"""Vivado timing: report_timing_summary."""

from __future__ import annotations

import re

from fracdse.reports.figures import decimal, is_word, period_ns, whole
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.vivado_header import first_report, read_header
from fracdse.reports.vivado_timing_details import require_whole_details
from fracdse.reports.vivado_timing_tables import find_sections, read_table

_WHAT = "timing summary"
_SECTIONS = ("Design Timing Summary", "Clock Summary", "Intra Clock Table", "Inter Clock Table")
_LINE_LIMIT_CHARACTERS = 20_000
_CLOCK = re.compile(r"\s*(\S.*?)\s+\{[^{}]*\}\s+(\S+)\s+(\S+)\s*\Z")
_FAILING = ("TNS Failing Endpoints", "THS Failing Endpoints", "TPWS Failing Endpoints")


def read_vivado_timing(source: ReportText) -> Report:
    """Read a timing summary.

    Where the design has several clocks, `clock_ns` is of the one with the most setup endpoints (the first of equals),
    while `wns_ns` is the worst of all. A WNS printed as 'inf' or 'NA' (no constrained path) is None, with a note.

    Raises:
        ReportError: A row that the report must have is missing or unreadable, or the report is cut off.
    """
    source, notes = first_report(source)
    header = read_header(source, _WHAT)
    sections = find_sections(source)
    for title in _SECTIONS:
        if title not in sections:
            raise source.missing(_WHAT, title)
    design = _design_row(source, sections["Design Timing Summary"])
    periods_ns = _clock_periods_ns(source, sections["Clock Summary"], sections["Intra Clock Table"])
    intra = read_table(source, "Intra Clock Table", sections["Intra Clock Table"])
    if any("Clock" not in row for row in intra):
        raise source.missing(_WHAT, "Intra Clock Table Clock")
    wns_ns = _slack_ns(source, design, "WNS(ns)")
    _require_clocks(source, periods_ns, intra, wns_ns)
    require_whole_details(source, sections, header.fields.get("Command", ""))
    main = _main_clock(source, periods_ns, intra)
    failing_endpoints = _failing_endpoints(source, design)
    timing_met = _verdict(source, sections["Design Timing Summary"], wns_ns, failing_endpoints)
    return Report(
        kind="timing",
        name=source.name,
        tool="Vivado",
        version=header.version,
        part=header.device,
        top=header.design,
        design_state=header.fields.get("Design State"),
        speed_grade=header.speed_grade,
        clock_ns=None if main is None else periods_ns[main],
        clock_name=main,
        wns_ns=wns_ns,
        tns_ns=_slack_ns(source, design, "TNS(ns)"),
        whs_ns=_slack_ns(source, design, "WHS(ns)") if "WHS(ns)" in design else None,
        failing_endpoints=failing_endpoints,
        timing_met=timing_met,
        notes=(
            *notes,
            *(["timing is not met"] if timing_met is False else []),
            *_notes(design["WNS(ns)"], wns_ns, len(periods_ns), main),
        ),
    )


def _design_row(source: ReportText, start: int) -> dict[str, str]:
    rows = read_table(source, "Design Timing Summary", start)
    for column in ("WNS(ns)", "TNS(ns)"):
        if not rows or column not in rows[0]:
            raise source.missing(_WHAT, f"Design Timing Summary {column}")
    return rows[0]


def _clock_periods_ns(source: ReportText, start: int, stop: int) -> dict[str, float]:
    lines = source.lines[start + 2 : stop]
    header = next((i for i, line in enumerate(lines) if line.startswith("Clock ") and "Period(ns)" in line), None)
    periods_ns: dict[str, float] = {}
    for line in lines[header + 2 :] if header is not None else ():
        if not line.strip():
            break
        match = _CLOCK.match(line) if len(line) < _LINE_LIMIT_CHARACTERS else None
        if match is None:
            raise source.unreadable("Clock Summary", line.strip(), "a clock with waveform, period and frequency")
        periods_ns[match[1]] = period_ns(source, f"Clock Summary {match[1]}", match[2])
    if header is not None and not periods_ns:
        raise source.missing(_WHAT, "Clock Summary row of any clock")
    return periods_ns


def _require_clocks(
    source: ReportText, periods_ns: dict[str, float], intra: list[dict[str, str]], wns_ns: float | None
) -> None:
    """Check that the Clock Summary has the clocks that the figures speak of."""
    for row in intra:
        if row["Clock"] not in periods_ns:
            raise source.missing(_WHAT, f"Clock Summary row {row['Clock']}")
    if wns_ns is not None and not periods_ns:
        raise source.missing(_WHAT, "Clock Summary row of any clock")


def _main_clock(source: ReportText, periods_ns: dict[str, float], intra: list[dict[str, str]]) -> str | None:
    endpoints = dict.fromkeys(periods_ns, 0)
    for row in intra:
        if not is_word(row.get("TNS Total Endpoints", "")):
            endpoints[row["Clock"]] = whole(source, "TNS Total Endpoints", row["TNS Total Endpoints"])
    return max(endpoints, key=endpoints.__getitem__, default=None)


def _slack_ns(source: ReportText, row: dict[str, str], column: str) -> float | None:
    return None if is_word(row[column]) else decimal(source, column, row[column])


def _failing_endpoints(source: ReportText, row: dict[str, str]) -> int | None:
    counts = [whole(source, column, row[column]) for column in _FAILING if not is_word(row.get(column, ""))]
    return sum(counts) if counts else None


def _verdict(source: ReportText, start: int, wns_ns: float | None, failing_endpoints: int | None) -> bool | None:
    """Return the report's own words, or what its slacks say where it has none."""
    if wns_ns is None:
        return None
    for line in source.lines[start : start + 40]:
        if line.startswith("All user specified timing constraints are met"):
            return True
        if line.startswith("Timing constraints are not met"):
            return False
    return wns_ns >= 0 and not failing_endpoints


def _notes(wns: str, wns_ns: float | None, clocks: int, main: str | None) -> list[str]:
    notes = [] if wns_ns is not None else [f"WNS is printed as '{wns}': no path is constrained"]
    if clocks == 0:
        notes.append("no clock is constrained")
    if clocks > 1:
        notes.append(f"{clocks} clocks; clock_ns is of {main}, wns_ns is the worst of all")
    return notes
