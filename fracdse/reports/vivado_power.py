"""Vivado power: report_power."""

from __future__ import annotations

import re

from fracdse.reports.figures import bare, decimal, is_word, period_ns
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.tables import Table, find_tables
from fracdse.reports.vivado_header import first_report, read_header, require_announced_sections

_WHAT = "power"
_TOTAL, _DYNAMIC, _STATIC = "Total On-Chip Power (W)", "Dynamic (W)", "Device Static (W)"
_JUNCTION, _CONFIDENCE, _AMBIENT = "Junction Temperature (C)", "Confidence Level", "Ambient Temp (C)"
_ROUNDING_W = 0.0005  # figures are printed to the milliwatt
_REMARK = re.compile(r" \(([^()]*)\)\Z")  # 103.658 (Junction temp exceeded!)


def read_vivado_power(source: ReportText) -> Report:
    """Read a power report.

    A figure printed as '<0.001' is kept as 0.001, with a note. Where several clocks are constrained, `clock_ns` is of
    the first one listed.

    Raises:
        ReportError: A row that the report must have is missing or unreadable, or the report is cut off.
    """
    source, notes = first_report(source)
    header = read_header(source, _WHAT)
    tables = list(find_tables(source))
    summary = _summary(source, tables)
    components = _components(source, tables)
    clocks = _clocks(source, tables, is_clocked="Clocks" in components)
    if not header.fields.get("Design State"):
        raise source.missing(_WHAT, "Design State")
    require_announced_sections(source, _WHAT)

    def component_w(*names: str) -> float | None:
        name = next((name for name in names if name in components), None)
        return None if name is None else _watts(source, name, components[name])

    return Report(
        kind="power",
        name=source.name,
        tool="Vivado",
        version=header.version,
        part=header.device,
        top=header.design,
        design_state=header.fields["Design State"],
        clock_ns=clocks[0][1] if clocks else None,
        clock_name=clocks[0][0] if clocks else None,
        total_on_chip_w=_watts(source, _TOTAL, summary[_TOTAL]),
        dynamic_w=_watts(source, _DYNAMIC, summary[_DYNAMIC]),
        static_w=_watts(source, _STATIC, summary[_STATIC]),
        ps_w=component_w("PS8", "PS7", "PS", "PS9"),
        clocks_w=component_w("Clocks"),
        logic_w=component_w("CLB Logic", "Slice Logic"),
        signals_w=component_w("Signals"),
        bram_w=component_w("Block RAM"),
        uram_w=component_w("URAM", "UltraRAM"),
        dsp_w=component_w("DSPs", "DSP Slices"),
        io_w=component_w("I/O"),
        ambient_c=_ambient_c(source, tables),
        junction_c=decimal(source, _JUNCTION, _REMARK.sub("", summary[_JUNCTION])),
        confidence=summary[_CONFIDENCE],
        notes=(*notes, *_remarks(summary | components), *_clock_notes(clocks)),
    )


def _summary(source: ReportText, tables: list[Table]) -> dict[str, str]:
    for table in tables:
        rows = _pairs(table)
        if _TOTAL in rows or _DYNAMIC in rows:
            for row in (_TOTAL, _DYNAMIC, _STATIC, _JUNCTION, _CONFIDENCE):
                if not rows.get(row):
                    raise source.missing(_WHAT, row)
            return rows
    raise source.missing(_WHAT, _TOTAL)


def _components(source: ReportText, tables: list[Table]) -> dict[str, str]:
    """Return the power of each component, checking that the outer ones add up to the total."""
    table = next((table for table in tables if table.columns[:2] == ("On-Chip", "Power (W)")), None)
    if table is None:
        raise source.missing(_WHAT, "On-Chip Components")
    components: dict[str, str] = {}
    exact_w: list[float] = []
    upper_bounds_w: list[float] = []
    lines = [line for line in table.body if line.startswith("|")]
    for line, cells in zip(lines, table.whole_rows(source, "On-Chip"), strict=True):
        components[cells[0]] = cells[1]
        if not line.startswith("|  ") and cells[0] != "Total":
            bounds_w = upper_bounds_w if cells[1].startswith("<") else exact_w
            bounds_w.append(_watts(source, cells[0], cells[1]))
    if "Total" not in components:
        raise source.missing(_WHAT, "On-Chip Components Total")
    total_w = _watts(source, "Total", components["Total"])
    slack_w = _ROUNDING_W * (len(exact_w) + 2)
    if not -slack_w <= total_w - sum(exact_w) <= slack_w + sum(upper_bounds_w):
        raise source.missing(
            _WHAT, f"row of On-Chip Components that makes its {sum(exact_w):.3f} W the Total of {total_w:.3f} W"
        )
    return components


def _clocks(source: ReportText, tables: list[Table], *, is_clocked: bool) -> list[tuple[str, float]]:
    for table in tables:
        if table.columns[0] == "Clock" and table.columns[-1] == "Constraint (ns)":
            rows = list(table.whole_rows(source, "Clock Constraints"))
            if is_clocked and not rows:
                raise source.missing(_WHAT, "Clock Constraints row of any clock")
            return [(cells[0], period_ns(source, cells[0], cells[-1])) for cells in rows if not is_word(cells[-1])]
    raise source.missing(_WHAT, "Clock Constraints")


def _ambient_c(source: ReportText, tables: list[Table]) -> float:
    for table in tables:
        if _AMBIENT in (rows := _pairs(table)):
            return decimal(source, _AMBIENT, rows[_AMBIENT])
    raise source.missing(_WHAT, _AMBIENT)


def _pairs(table: Table) -> dict[str, str]:
    """Return the rows of a table of names and values, which has no header of its own."""
    return dict(cells for cells in (*table.header, *table.rows()) if len(cells) == 2)


def _watts(source: ReportText, row: str, cell: str) -> float:
    return decimal(source, row, bare(_REMARK.sub("", cell)).removeprefix("<"))


def _remarks(rows: dict[str, str]) -> list[str]:
    upper_bounds = [name for name, cell in rows.items() if cell.startswith("<")]
    notes = [f"{name}: {match[1]}" for name, cell in rows.items() if name == _TOTAL and (match := _REMARK.search(cell))]
    if upper_bounds:
        notes.append(f"printed as '<', kept as upper bounds: {', '.join(upper_bounds)}")
    return notes


def _clock_notes(clocks: list[tuple[str, float]]) -> list[str]:
    if not clocks:
        return ["no clock is constrained"]
    return [f"{len(clocks)} clocks are constrained; clock_ns is of the first"] if len(clocks) > 1 else []
