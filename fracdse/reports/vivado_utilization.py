"""Vivado utilization: report_utilization (flat and hierarchical) and the system utilization of SDx and Vitis."""

from __future__ import annotations

import re
from dataclasses import replace

from fracdse.reports.figures import decimal, whole
from fracdse.reports.parts import has_uram
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.tables import Table, find_tables
from fracdse.reports.vivado_header import first_report, read_header, require_announced_sections

_WHAT = "utilization"
_LUT_ROWS = ("Slice LUTs", "CLB LUTs", "LUTs")
_FF_ROWS = ("Slice Registers", "CLB Registers", "Registers")
_DSP_ROWS = ("DSPs", "DSP Slices")
_DSP_COLUMNS = ("DSP Blocks", "DSP48 Blocks", "DSP Slices", "DSPs")
_MEMORY_LUT_COLUMNS = ("LUTMem", "LUTAsMem")
_SCOPE = re.compile(r"-(?:cells|pblocks)\s+(?:\[[^\]]*\]|\{[^}]*\}|\S+)")  # figures of these alone


def read_vivado_utilization(source: ReportText) -> Report:
    """Read a utilization report; the first row of a hierarchical one is the whole design.

    Raises:
        ReportError: A row that the report must have is missing or unreadable, or the report is cut off.
    """
    source, notes = first_report(source)
    header = read_header(source, _WHAT)
    state = header.fields.get("Design State")
    if not state:
        raise source.missing(_WHAT, "Design State")
    empty = Report(
        kind="util_synth" if state.lower() == "synthesized" else "util_placed",
        name=source.name,
        tool="Vivado",
        version=header.version,
        part=header.device,
        top=header.design,
        design_state=state,
        speed_grade=header.speed_grade,
        notes=(*notes, *_scope(header.fields.get("Command", ""))),
    )
    report = _with_area(source, empty)
    require_announced_sections(source, _WHAT)
    return report


def _scope(command: str) -> tuple[str, ...]:
    match = _SCOPE.search(command)
    return (f"only a part of the design is counted: {match[0]}",) if match else ()


def _with_area(source: ReportText, empty: Report) -> Report:
    tables = list(find_tables(source))
    flat = [table for table in tables if "Site Type" in table.columns and "Used" in table.columns]
    if flat:
        return _with_flat_area(source, flat, empty)
    for table in tables:
        if {"Total LUTs", "FFs"} <= set(table.columns):
            return _with_hierarchical_area(source, table, empty)
        if {"Name", "LUT", "REG"} <= set(table.columns):
            return _with_system_area(source, table, empty)
    raise source.missing(_WHAT, "Slice LUTs or CLB LUTs")


def _with_flat_area(source: ReportText, tables: list[Table], empty: Report) -> Report:
    used = _used_by_site(source, tables)

    def cell(*names: str) -> tuple[str, str]:
        for name in names:
            if name in used:
                return name, used[name]
        raise source.missing(_WHAT, " or ".join(names[:2]))

    def count(*names: str) -> int:
        return whole(source, *cell(*names))

    def sites(kind: str) -> int:
        name = next((name for name in used if name.startswith(kind) and not name.endswith("only")), kind)
        return count(name)

    def part_of_memory(name: str) -> int:
        return count(name) if memory or name in used else 0  # left out where no LUT is a memory

    memory = count("LUT as Memory")
    return replace(
        empty,
        lut=count(*_LUT_ROWS),
        lut_logic=count("LUT as Logic"),
        lut_memory=memory,
        lut_distributed_ram=part_of_memory("LUT as Distributed RAM"),
        lut_shift_register=part_of_memory("LUT as Shift Register"),
        ff=count(*_FF_ROWS),
        bram36=decimal(source, *cell("Block RAM Tile")),
        ramb36=sites("RAMB36"),
        ramb18=sites("RAMB18"),
        uram=count("URAM") if "URAM" in used or has_uram(str(empty.part)) else None,
        dsp=count(*_DSP_ROWS),
    )


def _used_by_site(source: ReportText, tables: list[Table]) -> dict[str, str]:
    used: dict[str, str] = {}
    for table in tables:
        site, count = table.columns.index("Site Type"), table.columns.index("Used")
        for cells in table.whole_rows(source, "Site Type"):
            used.setdefault(cells[site].rstrip("*").rstrip(), cells[count])
    return used


def _with_hierarchical_area(source: ReportText, table: Table, empty: Report) -> Report:
    row = next(table.whole_rows(source, "Instance"), None)
    if row is None or table.body[0].startswith("|  "):  # instances inside others stand further to the right
        raise source.missing(_WHAT, f"Instance {empty.top}")
    top = dict(zip(table.columns, row, strict=True))
    ram, shift = _count_if_listed(source, top, "LUTRAMs"), _count_if_listed(source, top, "SRLs")
    ramb36, ramb18 = _count(source, top, "RAMB36"), _count(source, top, "RAMB18")
    return replace(
        empty,
        lut=_count(source, top, "Total LUTs"),
        lut_logic=_count_if_listed(source, top, "Logic LUTs"),
        lut_memory=None if ram is None or shift is None else ram + shift,
        lut_distributed_ram=ram,
        lut_shift_register=shift,
        ff=_count(source, top, "FFs"),
        bram36=ramb36 + ramb18 / 2,
        ramb36=ramb36,
        ramb18=ramb18,
        uram=_count_if_listed(source, top, "URAM"),
        dsp=_count(source, top, *_DSP_COLUMNS),
        notes=(*empty.notes, "hierarchical: bram36 is counted from RAMB36 and RAMB18, the report prints no tiles"),
    )


def _with_system_area(source: ReportText, table: Table, empty: Report) -> Report:
    rows = table.whole_rows(source, "Name")
    row = next((cells for cells in rows if cells[0].startswith("Used Resources")), None)
    if row is None:
        raise source.missing(_WHAT, "Used Resources")
    used = dict(zip(table.columns, row, strict=True))
    if "BRAM" not in used:
        raise source.missing(_WHAT, "BRAM")
    return replace(
        empty,
        lut=_count(source, used, "LUT"),
        lut_memory=_count(source, used, *_MEMORY_LUT_COLUMNS),
        ff=_count(source, used, "REG"),
        bram36=decimal(source, "BRAM", used["BRAM"]),
        uram=_count_if_listed(source, used, "URAM"),
        dsp=_count(source, used, "DSP"),
        notes=(*empty.notes, "system utilization: the figures are the kernels', without the platform"),
    )


def _count(source: ReportText, row: dict[str, str], *columns: str) -> int:
    for column in columns:
        if column in row:
            return whole(source, column, row[column])
    raise source.missing(_WHAT, columns[0])


def _count_if_listed(source: ReportText, row: dict[str, str], column: str) -> int | None:
    return _count(source, row, column) if column in row else None
