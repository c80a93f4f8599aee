"""Reports as plain entries, one a file, ready for a table or for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath

from fracdse.errors import ReportError
from fracdse.reports.reading import read_report
from fracdse.reports.report import POWER_FIELDS

LISTED_FIELDS = (
    "kind",
    "tool",
    "version",
    "part",
    "top",
    "design_state",
    "lut",
    "ff",
    "bram36",
    "bram18",
    "uram",
    "dsp",
    "clock_ns",
    "wns_ns",
    "timing_met",
    "latency_cycles_min",
    "latency_cycles_max",
    *POWER_FIELDS,
)
"""The fields of a report that an entry always has; None where the report does not carry the figure."""


def list_reports(paths: Iterable[str | PathLike[str]]) -> list[dict[str, object]]:
    """Read report files and return an entry for each, in order.

    An entry has `file`, the `LISTED_FIELDS` and `notes`; for a file that cannot be read it has `file`, `error` and
    `hint`.
    """
    return [_entry(fspath(path)) for path in paths]


def _entry(path: str) -> dict[str, object]:
    try:
        report = read_report(path)
    except ReportError as error:
        return {"file": path, "error": error.message, "hint": error.hint}
    entry: dict[str, object] = {"file": path}
    entry |= {name: getattr(report, name) for name in LISTED_FIELDS}
    return entry | {"notes": list(report.notes)}
