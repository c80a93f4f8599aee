"""The sections of a timing summary and their tables, which are aligned with spaces and underlined with dashes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fracdse.reports.source import ReportText

_WORD = re.compile(r"\S+")
_COLUMN_GAP = re.compile(r"\s{2,}")
_UNDERLINE = re.compile(r"\s*-+(?:\s+-+)*\s*\Z")


@dataclass(frozen=True)
class _Edges:
    """Where the columns start (names are aligned left) and end (figures are aligned right)."""

    left: dict[int, str]
    right: dict[int, str]

    @classmethod
    def of(cls, names: list[str], underline: list[re.Match[str]]) -> _Edges:
        pairs = list(zip(names, underline, strict=True))
        return cls({mark.start(): name for name, mark in pairs}, {mark.end(): name for name, mark in pairs})


def find_sections(source: ReportText) -> dict[str, int]:
    """Return the sections ('| Design Timing Summary' above '| ----') and the line on which the first of each starts."""
    sections: dict[str, int] = {}
    lines = source.lines
    for index, line in enumerate(lines[:-1]):
        if line.startswith("| ") and lines[index + 1].startswith("| --"):
            sections.setdefault(line[2:].strip(), index)
    return sections


def read_table(source: ReportText, title: str, start: int) -> list[dict[str, str]]:
    """Read the table of a section; a cell that is left blank is not in its row.

    Args:
        source: The report.
        title: The section's title.
        start: Line of the title.

    Returns:
        A dict a row, from column name to cell. The list is empty where the section has no table.

    Raises:
        ReportError: The table's header or one of its rows cannot be read, or the report ends in it.
    """
    lines = source.lines
    index = _body_start(lines, start)
    while index < len(lines) and not lines[index].strip():
        index += 1
    if index >= len(lines):
        raise source.cut_off(f"nothing follows the heading '{title}'")
    if _UNDERLINE.match(lines[index]):  # the next section's rule: this section has no table
        return []
    names = _COLUMN_GAP.split(lines[index].strip())
    if index + 1 >= len(lines) or not _UNDERLINE.match(lines[index + 1]):
        raise source.cut_off(f"the table of '{title}' has no rows and no end")
    underline = list(_WORD.finditer(lines[index + 1]))
    if len(underline) != len(names):
        raise source.unreadable(title, lines[index].strip(), f"{len(underline)} column names")
    edges = _Edges.of(names, underline)
    rows = []
    for line in lines[index + 2 :]:
        if not line.strip():
            break
        rows.append(_row(source, title, line, names, edges))
    return rows


def _body_start(lines: list[str], title: int) -> int:
    """Return the line below the title, its underline and the rule that closes the heading."""
    below = title + 2
    return below + 1 if below < len(lines) and lines[below].startswith("---") else below


def _row(source: ReportText, title: str, line: str, names: list[str], edges: _Edges) -> dict[str, str]:
    words = list(_WORD.finditer(line))
    if len(words) == len(names):
        return {name: word.group() for name, word in zip(names, words, strict=True)}
    row: dict[str, str] = {}
    for number, word in enumerate(words):
        column = edges.left.get(word.start()) or edges.right.get(word.end()) or (names[0] if number == 0 else None)
        if column is None or column in row:
            raise source.unreadable(title, line.strip(), "a row aligned with its header")
        row[column] = word.group()
    return row
