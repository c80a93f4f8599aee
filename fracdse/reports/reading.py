"""Read a report from a file or from a text."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fracdse.reports.detect import find_reader
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText, load, with_plain_line_endings


def read_report(path: str | PathLike[str]) -> Report:
    """Read a report file of any kind that is known.

    Raises:
        ReportError: The file cannot be read, is not a report, is cut off, or lacks a row that its kind must have.
    """
    return _read(load(Path(path)))


def read_report_text(text: str, name: str) -> Report:
    """Read a report that is already in memory.

    Args:
        text: The report.
        name: What errors and the result call it, such as a file's name.

    Raises:
        ReportError: As `read_report`.
    """
    return _read(with_plain_line_endings(name, text))


def _read(source: ReportText) -> Report:
    return find_reader(source)(source)
