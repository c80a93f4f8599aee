"""HLS export: what Vivado made of an HLS function; <top>_export.rpt and .xml, export_syn and export_impl."""

from __future__ import annotations

import re
from pathlib import PurePath

from fracdse.reports.figures import is_word, period_ns, time_ns, whole
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.tables import find_tables
from fracdse.reports.xml_values import read_xml_values

_WHAT = "HLS export"
_OLD_RESOURCES = re.compile(r"#=== (?:(Post-\w+) )?Resource usage ===")
_NEW_RESOURCES = re.compile(r"== (.+) Resource Summary\Z")
_IMPLEMENTATION_TOOL = re.compile(r"(?:Xilinx |AMD )?(\w+) v?\.?\s*(\d[\w.]*)")
_VERSION = re.compile(r"\d{4}\.\d+(?:\.\d+)*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
_VERDICTS = {
    "Timing met": True,
    "* Timing was met": True,
    "Timing not met": False,
    "* Timing was NOT met": False,
    "* Timing was not met": False,
    "No Sequential Path": None,
    "* No Sequential Path": None,
}
_ACHIEVED_ROWS = {
    "": ("CP achieved",),  # from ISE
    "Post-Synthesis": ("CP achieved post-synthesis",),
    "Post-Implementation": ("CP achieved post-implementation",),
    "RTL Synthesis": ("Post-Synthesis", "Post-Route"),  # 2022.2 calls it so in this table too
    "Place & Route": ("Post-Route",),
}
_AREA, _TIMING, _RUN = "profile/AreaReport/Resources/", "profile/TimingReport/", "profile/RunData/"
_INFORMATION, _MODULE = "profile/GeneralInfo/item", "profile/RtlModules/RtlModule"
_AREA_NAMES = ("LUT", "FF", "DSP", "BRAM", "URAM", "SRL")


def read_hls_export_text(source: ReportText) -> Report:
    """Read an export report as text, of the layout until 2020 or of the one since.

    No layout names the function; `top` comes from the file's name where that is <top>_export.

    Raises:
        ReportError: A row that the report must have is missing or unreadable, or the report is cut off.
    """
    lines = source.lines
    usage = next((m for line in lines if (m := _OLD_RESOURCES.match(line) or _NEW_RESOURCES.match(line))), None)
    if usage is None:
        raise source.missing(_WHAT, "Resource usage")
    stage = usage[1] or ""
    if stage not in _ACHIEVED_ROWS:
        raise source.unreadable("Resource usage", stage, " or ".join(filter(None, _ACHIEVED_ROWS)))
    rows: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            rows.setdefault(name.strip().removeprefix("* "), value.strip())
    verdict = next((line.strip() for line in lines if line.strip() in _VERDICTS), None)
    if verdict is None:
        raise source.missing(_WHAT, "Timing met")
    is_old = usage.re is _OLD_RESOURCES
    if not is_old:
        rows |= _timing_table(source)
    required = _first_listed(source, rows, "CP required" if is_old else "Target")
    achieved = _first_listed(source, rows, *_ACHIEVED_ROWS[stage])
    tool, version = _tool_and_version(source, rows)
    return Report(
        kind="export",
        name=source.name,
        tool=f"{tool} (HLS export)",
        version=version,
        part=rows[_first_listed(source, rows, "Device target", "Target device")],
        top=_top_in_file_name(source.name),
        design_state=stage or None,
        lut=_count(source, rows, "LUT"),
        ff=_count(source, rows, "FF"),
        bram18=_count(source, rows, "BRAM"),
        dsp=_count(source, rows, "DSP"),
        uram=_count(source, rows, "URAM") if "URAM" in rows or not is_old else None,
        lut_shift_register=_count(source, rows, "SRL"),
        clock_ns=period_ns(source, required, rows[required]),
        clock_achieved_ns=_achieved_ns(source, achieved, rows[achieved]),
        timing_met=_VERDICTS[verdict],
        notes=_notes(rows[achieved]),
    )


def read_hls_export_xml(source: ReportText) -> Report:
    """Read an export report as XML; until 2020 it carries neither the part nor the version.

    Raises:
        ReportError: An element that the report must have is missing or unreadable, or the XML is hostile or cut off.
    """
    timing_names = ("TargetClockPeriod", "AchievedClockPeriod", "WNS_FINAL", "TIMING_MET")
    wanted = [_AREA + name for name in _AREA_NAMES] + [_TIMING + name for name in timing_names]
    attributes = {_INFORMATION: ("NAME", "VALUE"), _MODULE: ("IS_TOP", "MODULENAME")}
    values = read_xml_values(source, [*wanted, _RUN + "VIVADO_VERSION", _RUN + "RUN_TYPE"], attributes)
    rows = {path.rpartition("/")[2]: value for path, value in values.items()}
    target = _first_listed(source, rows, "TargetClockPeriod")
    achieved = _first_listed(source, rows, "AchievedClockPeriod")
    version = _VERSION.search(rows.get("VIVADO_VERSION", ""))
    wns = rows.get("WNS_FINAL", "")
    return Report(
        kind="export",
        name=source.name,
        tool="Vivado (HLS export)",
        version=version[0] if version else None,
        part=values.get(f"{_INFORMATION}[Target device]"),
        top=values.get(f"{_MODULE}[1]") or _top_in_file_name(source.name),
        design_state=rows.get("RUN_TYPE"),
        lut=_count(source, rows, "LUT"),
        ff=_count(source, rows, "FF"),
        bram18=_count(source, rows, "BRAM"),
        dsp=_count(source, rows, "DSP"),
        uram=_count(source, rows, "URAM") if "URAM" in rows or "RUN_TYPE" in rows else None,
        lut_shift_register=_count(source, rows, "SRL"),
        clock_ns=period_ns(source, target, rows[target]),
        clock_achieved_ns=_achieved_ns(source, achieved, rows[achieved]),
        wns_ns=None if is_word(wns) else time_ns(source, "WNS_FINAL", wns),
        timing_met={"TRUE": True, "FALSE": False}.get(rows.get("TIMING_MET", "").upper()),
        notes=_notes(rows[achieved]),
    )


def _timing_table(source: ReportText) -> dict[str, str]:
    for table in find_tables(source):
        if table.columns == ("Timing", "Period (ns)"):
            return {cells[0]: cells[1] for cells in table.whole_rows(source, "Timing")}
    raise source.missing(_WHAT, "Timing Summary")


def _tool_and_version(source: ReportText, rows: dict[str, str]) -> tuple[str, str]:
    row = _first_listed(source, rows, "Implementation tool", "Version")
    pattern = _IMPLEMENTATION_TOOL if row == "Implementation tool" else _VERSION
    match = pattern.match(rows[row])
    if match is None:
        raise source.unreadable(row, rows[row], "a tool's version such as 2019.2")
    return (match[1], match[2]) if row == "Implementation tool" else ("Vivado", match[0])


def _first_listed(source: ReportText, rows: dict[str, str], *names: str) -> str:
    """Return the first of the names that has a value."""
    for name in names:
        if rows.get(name):
            return name
    raise source.missing(_WHAT, names[0])


def _count(source: ReportText, rows: dict[str, str], name: str) -> int:
    return whole(source, name, rows[_first_listed(source, rows, name)])


def _achieved_ns(source: ReportText, row: str, value: str) -> float | None:
    return None if is_word(value) else time_ns(source, row, value)


def _notes(achieved: str) -> tuple[str, ...]:
    return (f"the achieved clock period is printed as '{achieved}'",) if is_word(achieved) else ()


def _top_in_file_name(name: str) -> str | None:
    """Return the function of <top>_export.rpt; what a collection puts in front, ended by '__', is no identifier."""
    stem = PurePath(name).stem
    if not stem.endswith("_export"):
        return None
    top = stem.removesuffix("_export")
    if not _IDENTIFIER.match(top):
        top = top.rpartition("__")[2]
    return top if _IDENTIFIER.match(top) else None
