"""Figures as the tools print them: thousands, percentages behind, upper bounds, words instead of numbers."""

from __future__ import annotations

import re

from fracdse.reports.source import ReportText

_WHOLE = re.compile(r"\d{1,15}\Z")
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{0,9})?\Z")
_SHARE = re.compile(r"\s*[(\[]\s*[<~>]?\s*[\d.]+\s*%\s*[)\]]\Z")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?\Z")

_CELL_LIMIT_CHARACTERS = 200  # no figure is longer; it keeps hostile cells away from the patterns

NO_NUMBER = frozenset({"", "?", "-", "undef", "inf", "-inf", "na", "n/a", "unknown", "nan"})
"""Words (in lower case) that the tools print where they have no number."""


def bare(cell: str) -> str:
    """Return a cell without the share behind its figure ('9 (~0%)', '2691 [ 0.26%]') and without thousands commas."""
    cell = cell.strip()
    if len(cell) > _CELL_LIMIT_CHARACTERS:
        return cell
    cell = _SHARE.sub("", cell).strip()
    return cell.replace(",", "") if _THOUSANDS.match(cell) else cell


def whole(source: ReportText, row: str, cell: str, *, dash_is_zero: bool = False) -> int:
    """Read a count.

    Args:
        source: The report, for the error.
        row: Name of the row or column, for the error.
        cell: What is printed.
        dash_is_zero: In HLS area tables '-' stands for none.

    Raises:
        ReportError: The cell is not a whole number from 0.
    """
    figure = bare(cell)
    if dash_is_zero and figure == "-":
        return 0
    if not _WHOLE.match(figure):
        raise source.unreadable(row, cell.strip(), "a whole number from 0")
    return int(figure)


def decimal(source: ReportText, row: str, cell: str) -> float:
    """Read a number that may have decimals and a sign.

    Raises:
        ReportError: The cell is not a number.
    """
    figure = bare(cell)
    if not _DECIMAL.match(figure):
        raise source.unreadable(row, cell.strip(), "a number")
    return float(figure)


def period_ns(source: ReportText, row: str, cell: str) -> float:
    """Read a clock period above 0, with or without its unit, in ns.

    Raises:
        ReportError: The cell is not a period above 0.
    """
    period = time_ns(source, row, cell)
    if period <= 0:
        raise source.unreadable(row, cell.strip(), "a period above 0")
    return period


def time_ns(source: ReportText, row: str, cell: str) -> float:
    """Read a time with or without its unit (ns, ps, us), in ns.

    Raises:
        ReportError: The cell is not a time.
    """
    figure, _, unit = bare(cell).partition(" ")
    divisor = {"": 1.0, "ns": 1.0, "ps": 1000.0, "us": 0.001}.get(unit.strip().lower())
    if divisor is None:
        raise source.unreadable(row, cell.strip(), "a time in ns, ps or us")
    return decimal(source, row, figure) / divisor


def is_word(cell: str) -> bool:
    """Tell whether a cell holds one of the words that stand for no number."""
    return cell.strip().lower() in NO_NUMBER
