"""The header that every Vivado report starts with, and the sections that its table of contents announces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fracdse.reports.parts import device_of
from fracdse.reports.source import ReportText

_VERSION = re.compile(r"v\.?\s?(\d{4}\.\d+(?:\.\d+)*)")
_CONTENTS_ENTRY = re.compile(r"\s*\d+(?:\.\d+)*\.?\s+\S")
_FIRST_FIELD = "| Tool Version"


@dataclass(frozen=True)
class VivadoHeader:
    """Hold the header's fields as printed, and the version taken from 'Tool Version'."""

    fields: dict[str, str]
    version: str
    design: str
    device: str

    @property
    def speed_grade(self) -> str | None:
        """The speed grade, where the report prints it apart from the device: '-1' of '-1  PRODUCTION 1.26'."""
        words = self.fields.get("Speed File", "").split()
        return words[0] if words else None


def first_report(source: ReportText) -> tuple[ReportText, tuple[str, ...]]:
    """Return the first of the Vivado reports that a file holds, with a note where more follow.

    Raises:
        ReportError: The reports that follow are of another design or device.
    """
    starts = [i for i, line in enumerate(source.lines) if line.startswith(_FIRST_FIELD)]
    return source.first_of([(start - 1, _subject(_fields(source.lines, start))) for start in starts])


def _subject(fields: dict[str, str]) -> str:
    device = device_of(fields["Device"]) if fields.get("Device") else "no device"
    return f"{fields.get('Design', '')} on {device}"


def read_header(source: ReportText, what: str) -> VivadoHeader:
    """Read the header.

    Args:
        source: The report.
        what: Kind of report, for errors.

    Raises:
        ReportError: The header or one of 'Tool Version', 'Design' and 'Device' is missing.
    """
    start = next((i for i, line in enumerate(source.lines) if line.startswith(_FIRST_FIELD)), None)
    if start is None:
        raise source.missing(what, "Tool Version")
    fields = _fields(source.lines, start)
    for row in ("Tool Version", "Design", "Device"):
        if not fields.get(row):
            raise source.missing(what, row)
    match = _VERSION.search(fields["Tool Version"])
    if match is None:
        raise source.unreadable("Tool Version", fields["Tool Version"], "a Vivado version such as v.2019.2")
    return VivadoHeader(fields, match.group(1), fields["Design"], fields["Device"])


def require_announced_sections(source: ReportText, what: str) -> None:
    """Check that every section of the table of contents is there, which a report that is cut off fails.

    Raises:
        ReportError: A section is announced but missing.
    """
    lines = source.lines
    contents = next((i for i, line in enumerate(lines) if line.strip() == "Table of Contents"), None)
    if contents is None:
        raise source.missing(what, "Table of Contents")
    end = contents + 2
    while end < len(lines) and _CONTENTS_ENTRY.match(lines[end]):
        end += 1
    announced = {line.strip() for line in lines[contents + 2 : end]}
    if not announced:
        raise source.missing(what, "Table of Contents")
    found = {
        line.strip()
        for line, below in zip(lines[end:], lines[end + 1 :], strict=False)
        if below.startswith("---") and line[:1].isdigit()
    }
    for section in sorted(announced - found):
        raise source.missing(what, section)


def _fields(lines: list[str], start: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        name, colon, value = line[1:].partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields
