"""What kind of report a text is: told from its content, never from its file's name."""

from __future__ import annotations

import re
from collections.abc import Callable

from fracdse.reports.hls_csynth_text import read_hls_csynth_text
from fracdse.reports.hls_csynth_xml import read_hls_csynth_xml
from fracdse.reports.hls_export import read_hls_export_text, read_hls_export_xml
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.vivado_power import read_vivado_power
from fracdse.reports.vivado_timing import read_vivado_timing
from fracdse.reports.vivado_utilization import read_vivado_utilization
from fracdse.reports.yosys_stat import read_yosys_stat

Reader = Callable[[ReportText], Report]

_VIVADO_COMMANDS: dict[str, Reader] = {
    "report_utilization": read_vivado_utilization,
    "report_sdx_utilization": read_vivado_utilization,
    "report_accelerator_utilization": read_vivado_utilization,
    "report_timing_summary": read_vivado_timing,
    "report_power": read_vivado_power,
}
_COMMAND = re.compile(r"^\| Command\s*:[ \t]*(\S*)", re.MULTILINE)
_MARKS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), reader)
    for pattern, reader in (
        (r"^== (?:(?:Vivado|Vitis) HLS Report for|Synthesis Summary Report of) '", read_hls_csynth_text),
        (r"^#=== (?:Post-\w+ )?Resource usage ===", read_hls_export_text),
        (r"^Implementation tool: ", read_hls_export_text),
        (r"^== Vivado (?:RTL Synthesis|Place & Route|Implementation) Results", read_hls_export_text),
        (r"^(?:\| Design Timing Summary|Timing Summary Report)[ \t]*$", read_vivado_timing),
        (r"^(?:Power Report[ \t]*$|\| Total On-Chip Power)", read_vivado_power),
        (r"^(?:Utilization Design Information|SDx Utilization Design Information)", read_vivado_utilization),
        (r"^\d[\d.]* Printing statistics\.|^[ \t]+Number of cells:", read_yosys_stat),
        (r"^[ \t]+\d{1,15}(?:[ \t]+[\d-]{1,15})?[ \t]+cells$", read_yosys_stat),
    )
)
_CSYNTH_XML = re.compile(r"<(?:[\w.-]+:)?(?:UserAssignments|PerformanceEstimates|AreaEstimates)\b")
_EXPORT_XML = re.compile(r"<(?:[\w.-]+:)?(?:AreaReport|TimingReport)\b")
_HEAD_CHARACTERS = 4096


def find_reader(source: ReportText) -> Reader:
    """Return the reader for a report.

    Raises:
        ReportError: The text is no report, or one of a kind that is not read.
    """
    text = source.text.lstrip("\ufeff \t\n")
    if not text:
        raise source.not_a_report("the file is empty")
    if text.startswith("<"):
        return _find_xml_reader(source)
    if text.startswith("{"):
        if '"num_cells_by_type"' in text or '"modules"' in text:
            return read_yosys_stat
        raise source.not_a_report("JSON, but not from Yosys's `stat -json`")
    command = _COMMAND.search(text)
    if command and command[1]:
        reader = _VIVADO_COMMANDS.get(command[1])
        if reader is None:
            raise source.not_a_report(f"it comes from Vivado's {command[1][:60]}")
        return reader
    for mark, reader in _MARKS:
        if mark.search(text):
            return reader
    first = text[:_HEAD_CHARACTERS].split("\n", 1)[0].strip()
    raise source.not_a_report(f"nothing in it marks a known kind; it starts with '{first[:60]}'")


def _find_xml_reader(source: ReportText) -> Reader:
    if _CSYNTH_XML.search(source.text):
        return read_hls_csynth_xml
    if _EXPORT_XML.search(source.text):
        return read_hls_export_xml
    raise source.not_a_report("XML, but neither of HLS csynth nor of HLS export")
