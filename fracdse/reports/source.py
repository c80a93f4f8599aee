"""The text of a report: bounded reading of the file, decoding, line endings, and errors that name the file."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fracdse.errors import ReportError

SIZE_LIMIT_BYTES = 64 * 1024 * 1024

_CUT_OFF_HINT = "Check that the file is whole: it may be cut off, edited, or of a format that is not known."
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class ReportText:
    """Hold a report's text with plain line endings, and make the errors about it."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return self.text.split("\n")

    def missing(self, what: str, row: str) -> ReportError:
        """Make the error for a row that this kind of report must have.

        Args:
            what: Kind of report, such as 'utilization'.
            row: The row or section that is not there.
        """
        return ReportError(f"{self.name}: the {what} report has no '{row}'", hint=_CUT_OFF_HINT)

    def unreadable(self, row: str, value: str, allowed: str) -> ReportError:
        """Make the error for a row whose value is not what the row must hold."""
        shown = value if len(value) <= 60 else value[:57] + "..."
        return ReportError(f"{self.name}: '{row}' reads '{shown}', must be {allowed}", hint=_CUT_OFF_HINT)

    def cut_off(self, where: str) -> ReportError:
        """Make the error for a report that ends before its end."""
        return ReportError(f"{self.name}: the report is cut off: {where}", hint=_CUT_OFF_HINT)

    def first_of(self, starts: Sequence[tuple[int, str]]) -> tuple[ReportText, tuple[str, ...]]:
        """Return the first of the reports that a file holds, with a note where more follow.

        Args:
            starts: The line on which each report starts, and the design that it is of.

        Raises:
            ReportError: The reports that follow are of another design.
        """
        if len(starts) < 2:
            return self, ()
        first = starts[0][1]
        other = next((design for _, design in starts if design != first), None)
        if other is not None:
            raise ReportError(
                f"{self.name}: holds reports of two designs, '{first}' and '{other}'", hint="Keep one report a file."
            )
        text = "\n".join(self.lines[: starts[1][0]]) + "\n"
        return replace(self, text=text), (f"the file holds {len(starts)} reports; only the first is read",)

    def not_a_report(self, why: str) -> ReportError:
        """Make the error for a text of another kind."""
        return ReportError(
            f"{self.name}: not a report that can be read: {why}",
            hint="Known are report_utilization, report_timing_summary, report_power, HLS csynth and export "
            "(rpt or xml) and Yosys stat (text or -json).",
        )


def with_plain_line_endings(name: str, text: str) -> ReportText:
    """Wrap a text, turning Windows and old Mac line endings into single newlines.

    Raises:
        ReportError: The text holds NUL characters, so it is binary, or it is larger than the limit.
    """
    if len(text) > SIZE_LIMIT_BYTES:
        raise _too_large(name)
    if "\r" in text:
        *lines, last = text.split("\n")
        text = "\n".join([*(line.rstrip("\r") for line in lines), last]).replace("\r", "\n")
    source = ReportText(name, text)
    if "\0" in text:
        raise source.not_a_report("the file is binary")
    return source


def load(path: Path) -> ReportText:
    """Read a report file of at most 64 MiB: UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Raises:
        ReportError: The file is not there, not a plain file, too large, or binary.
    """
    name = str(path)
    try:
        if not path.is_file():
            raise ReportError(f"{name}: no such file", hint="Give the path of a report file.")
        with path.open("rb") as stream:
            data = stream.read(SIZE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ReportError(f"{name}: cannot be read: {error}", hint="Give the path of a report file.") from error
    if len(data) > SIZE_LIMIT_BYTES:
        raise _too_large(name)
    return with_plain_line_endings(name, _decode(data))


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _too_large(name: str) -> ReportError:
    limit_mib = SIZE_LIMIT_BYTES // 2**20
    return ReportError(f"{name}: larger than {limit_mib} MiB", hint="Reports are smaller; check that this is one.")
