"""How a design compares to those beside it on the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.terminal import design_text, number_text

_FIGURES = {"bram18": "BRAM18", "dsp": "DSP", "lut": "LUT", "fps": "frames/s", "latency_us": "latency µs"}
_WIDTHS = ((100, 5), (76, 4), (0, 3))
_BEST = 3


@dataclass(frozen=True)
class Difference:
    """What a neighbour has more or less than a design: accuracy in per cent points, and each estimated figure."""

    record: TrialRecord
    accuracy_points: float | None
    figures: Mapping[str, float]


def differences(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], record: TrialRecord
) -> list[Difference]:
    """Return how the front's neighbours of a trial differ from it.

    Neighbours are the trials just before and after it in the order of the first objective; of a trial that is not on
    the front, the front's best three.
    """
    front = pareto_front(records, objectives)
    numbers = [entry.number for entry in front]
    near = front[:_BEST]
    if record.number in numbers:
        place = numbers.index(record.number)
        near = [entry for entry in front[max(place - 1, 0) : place + 2] if entry.number != record.number]
    return [_difference(entry, record) for entry in near]


def _difference(other: TrialRecord, record: TrialRecord) -> Difference:
    theirs, own = (dict(one.hardware.items()) if one.hardware else {} for one in (other, record))
    points = None
    if other.accuracy is not None and record.accuracy is not None:
        points = 100 * (other.accuracy - record.accuracy)
    return Difference(
        other, points, {name: theirs[name].value - own[name].value for name in _FIGURES if own and theirs}
    )


def neighbours_table(found: Sequence[Difference], width: int) -> Table:
    """Return a row a neighbour for a terminal of `width` columns: '+86' is 86 more than the design that is shown."""
    table = Table(
        title=Text("Neighbours on the front, against this design, as estimated"),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    shown = list(_FIGURES)[: next(count for columns, count in _WIDTHS if width >= columns)]
    for heading in ("trial", "accuracy %", *(_FIGURES[name] for name in shown)):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("design", overflow="fold")
    for entry in found:
        accuracy = "" if entry.accuracy_points is None else _signed(round(entry.accuracy_points, 1))
        figures = [_signed(entry.figures[name]) if name in entry.figures else "" for name in shown]
        table.add_row(str(entry.record.number), accuracy, *figures, Text(design_text(entry.record)))
    return table


def _signed(value: float) -> str:
    return "same" if value == 0 else f"{'+' if value > 0 else '−'}{number_text(abs(value))}"
