"""Tables drawn with '+', '-' and '|', as Vivado and Vivado HLS print them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fracdse.reports.source import ReportText


@dataclass(frozen=True)
class Table:
    """Hold one table as lines; rows are split only when they are asked for, so that large tables cost little.

    Args:
        first_line: Index of the table's top border in the report's lines.
        header: The header's lines, split into cells; HLS tables have headers of two lines.
        body: The lines between the header's lower border and the bottom border.
    """

    first_line: int
    header: tuple[tuple[str, ...], ...]
    body: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns: the last line of the header."""
        return self.header[-1]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows' cells, stripped, leaving out the borders inside the table."""
        for line in self.body:
            if line.startswith("|"):
                yield split_row(line)

    def whole_rows(self, source: ReportText, what: str) -> Iterator[tuple[str, ...]]:
        """Yield the rows, each with exactly as many cells as there are columns.

        Raises:
            ReportError: A row has more or fewer cells than the header.
        """
        for cells in self.rows():
            if len(cells) != len(self.columns):
                raise source.unreadable(what, " | ".join(cells), f"a row of {len(self.columns)} cells")
            yield cells


def split_row(line: str) -> tuple[str, ...]:
    """Split '| a | b |' into its stripped cells."""
    inside = line.strip().removeprefix("|").removesuffix("|")
    return tuple(cell.strip() for cell in inside.split("|"))


def find_tables(source: ReportText, start: int = 0, stop: int | None = None) -> Iterator[Table]:
    """Yield the tables between two lines of a report, in order.

    Raises:
        ReportError: A table ends without its bottom border.
    """
    lines = source.lines
    end = len(lines) if stop is None else min(stop, len(lines))
    index = start
    while index < end:
        if not _is_border(lines[index]):
            index += 1
            continue
        first = index
        while index < end and _belongs(lines[index]):
            index += 1
        yield _table(source, first, index)


def _table(source: ReportText, first: int, end: int) -> Table:
    block = [line.strip() for line in source.lines[first:end]]
    if len(block) < 2 or not _is_border(block[-1]):
        raise source.cut_off(f"the table that starts on line {first + 1} has no bottom border")
    middle = next((i for i in range(1, len(block)) if block[i].startswith("+")), len(block) - 1)
    header = block[1:middle]
    body = block[middle + 1 : -1] if middle < len(block) - 1 else []
    return Table(first, tuple(split_row(line) for line in header) or (("",),), tuple(body))


def _is_border(line: str) -> bool:
    line = line.strip()
    return line.startswith("+-") and line.endswith("-+")


def _belongs(line: str) -> bool:
    line = line.lstrip()
    return line.startswith(("|", "+-"))
