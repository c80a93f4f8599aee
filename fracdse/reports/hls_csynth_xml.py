"""HLS synthesis as XML: csynth.xml and <function>_csynth.xml of Vivado HLS and Vitis HLS."""

from __future__ import annotations

from fracdse.reports.figures import is_word, period_ns, time_ns, whole
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.xml_values import read_xml_values

_WHAT = "HLS synthesis"
_VERSION = "profile/ReportVersion/Version"
_USER = "profile/UserAssignments/"
_LATENCY = "profile/PerformanceEstimates/SummaryOfOverallLatency/"
_ESTIMATED = "profile/PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"
_AREA = "profile/AreaEstimates/Resources/"
_AVAILABLE_URAM = "profile/AreaEstimates/AvailableResources/URAM"
_DSP_NAMES = ("DSP", "DSP48E", "DSP58", "DSPFP32")
_FIRST_VITIS_ONLY = (2020, 2)  # Vivado HLS ended with 2020.1.1
_WANTED = (
    _VERSION,
    _ESTIMATED,
    _AVAILABLE_URAM,
    *(_USER + name for name in ("unit", "Part", "TopModelName", "TargetClockPeriod", "ClockUncertainty", "FlowTarget")),
    *(_LATENCY + name for name in ("Best-caseLatency", "Worst-caseLatency", "Interval-min", "Interval-max")),
    *(_AREA + name for name in ("LUT", "FF", "BRAM_18K", "URAM", *_DSP_NAMES)),
)


def read_hls_csynth_xml(source: ReportText) -> Report:
    """Read the report of one function or of a whole solution; both have the same elements.

    The XML does not name the tool: before 2020.2 it is Vivado HLS unless the report has a flow target, which only Vitis
    HLS writes. A latency printed as 'undef' is None, with a note; Vivado HLS 2013 writes no interval.

    Raises:
        ReportError: An element that the report must have is missing or unreadable, or the XML is hostile or cut off.
    """
    values = read_xml_values(source, _WANTED)

    def text(path: str) -> str:
        if not values.get(path):
            raise source.missing(_WHAT, path.rpartition("/")[2])
        return values[path]

    def count(*names: str) -> int:
        path = next((_AREA + name for name in names if _AREA + name in values), _AREA + names[0])
        return whole(source, path.rpartition("/")[2], text(path), dash_is_zero=True)

    def cycles(name: str) -> int | None:
        value = text(_LATENCY + name)
        return None if is_word(value) else whole(source, name, value)

    def time_or_word(row: str, value: str) -> float | None:
        return None if is_word(value) else time_ns(source, row, f"{value} {unit}")

    unit = values.get(_USER + "unit") or "ns"
    version = text(_VERSION)
    worst = cycles("Worst-caseLatency")
    has_interval = any(_LATENCY + name in values for name in ("Interval-min", "Interval-max"))
    target = text(_USER + "TargetClockPeriod")
    return Report(
        kind="csynth_xml",
        name=source.name,
        tool=_tool(source, version, has_flow_target=_USER + "FlowTarget" in values),
        version=version,
        part=text(_USER + "Part"),
        top=text(_USER + "TopModelName"),
        clock_ns=period_ns(source, "TargetClockPeriod", f"{target} {unit}"),
        clock_uncertainty_ns=time_or_word("ClockUncertainty", values.get(_USER + "ClockUncertainty", "")),
        clock_estimated_ns=time_or_word("EstimatedClockPeriod", text(_ESTIMATED)),
        lut=count("LUT"),
        ff=count("FF"),
        bram18=count("BRAM_18K"),
        dsp=count(*_DSP_NAMES),
        uram=count("URAM") if _AVAILABLE_URAM in values or _AREA + "URAM" in values else None,
        latency_cycles_min=cycles("Best-caseLatency"),
        latency_cycles_max=worst,
        interval_cycles_min=cycles("Interval-min") if has_interval else None,
        interval_cycles_max=cycles("Interval-max") if has_interval else None,
        notes=() if worst is not None else (f"latency is printed as '{values[_LATENCY + 'Worst-caseLatency']}'",),
    )


def _tool(source: ReportText, version: str, *, has_flow_target: bool) -> str:
    try:
        year, release = (int(word) for word in version.split(".")[:2])
    except ValueError as error:
        raise source.unreadable("Version", version, "a version such as 2019.2") from error
    return "Vitis HLS" if has_flow_target or (year, release) >= _FIRST_VITIS_ONLY else "Vivado HLS"
