"""What `fracdse search` says while it runs: the current front on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

import click
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fracdse.design import Design
from fracdse.pareto import nondominated
from fracdse.records import TrialRecord
from fracdse.search.study import Study
from fracdse.wording import number_of

_LONGEST_FRONT = 12
_LINES_AROUND_FRONT = 9


class Progress:
    """Keeps the finished trials of a study and their front."""

    def __init__(self, study: Study, target: int) -> None:
        self._objectives = study.space.objectives
        self._target = target
        self._begin = time.monotonic()
        self._values: dict[int, list[float]] = {}
        self._states: dict[int, str] = {}
        self._front: list[int] | None = None
        self._reused = study.reused()
        for record in study.records():
            if record.state not in ("waiting", "running"):
                self._keep(record)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def started(self, number: int, design: Design) -> None:
        """Hear that a trial began."""

    def finished(self, record: TrialRecord) -> None:
        """Hear how a trial ended."""
        self._keep(record)

    def dropped(self, number: int) -> None:
        """Hear that a trial that began does not count."""

    def front(self) -> list[int]:
        """Return the numbers of the trials on the front."""
        if self._front is None:
            numbers = np.array(list(self._values))
            values = np.array(list(self._values.values())).reshape(len(numbers), len(self._objectives))
            self._front = numbers[nondominated(values, list(self._objectives.values()))].tolist()
        return self._front

    @property
    def done(self) -> int:
        """Number of trials that ended, without those reused from an earlier study."""
        return len(self._states.keys() - self._reused)

    def _keep(self, record: TrialRecord) -> None:
        self._states[record.number] = record.state
        if record.feasible and record.hardware is not None and record.accuracy is not None:
            figures = {"accuracy": record.accuracy} | {k: f.value for k, f in record.hardware.items()}
            self._values[record.number] = [figures[name] for name in self._objectives]
            self._front = None  # It is drawn four times a second, and of many trials takes a while to find.


class PlainProgress(Progress):
    """One line a trial."""

    def finished(self, record: TrialRecord) -> None:
        """Print the trial."""
        super().finished(record)
        click.echo(
            f"trial {record.number:>3}  {record.state:<10}  {describe(record)}  "
            f"[{self.done}/{self._target}, front {len(self.front())}]",
            err=True,
        )


class LiveProgress(Progress):
    """A display of the current front that is redrawn after every trial."""

    def __init__(self, study: Study, target: int) -> None:
        super().__init__(study, target)
        self._running: dict[int, str] = {}
        self._last = ""
        # Live draws once while it is made, so what drawing needs is there before it.
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.clear()
        self._live.refresh()
        self._live.stop()

    def started(self, number: int, design: Design) -> None:
        """Show the trial as running."""
        self._running[number] = design.key

    def finished(self, record: TrialRecord) -> None:
        """Show how the trial ended."""
        super().finished(record)
        self._running.pop(record.number, None)
        self._last = f"trial {record.number}: {record.state}, {describe(record)}"

    def dropped(self, number: int) -> None:
        """Show the trial no longer as running."""
        self._running.pop(number, None)

    def _render(self) -> Group:
        rows = sorted(self.front(), key=lambda number: self._values[number][0], reverse=True)
        room = max(1, min(_LONGEST_FRONT, self._console.height - _LINES_AROUND_FRONT))
        names = ("trial", *self._objectives)
        texts = [[str(number), *map(format_value, self._objectives, self._values[number])] for number in rows[:room]]
        widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
        shown = columns_that_fit(widths, self._console.width)
        table = Table()
        for name in (*names[:shown], *(["…"] if shown < len(names) else [])):
            table.add_column(name, justify="right", no_wrap=True)
        for text in texts:
            table.add_row(*text[:shown])
        elapsed = time.monotonic() - self._begin
        running = ", ".join(str(number) for number in self._running) or "none"
        more = Text(f"… and {len(rows) - room} more" if len(rows) > room else "", style="dim")
        last = Text(self._last, style="dim", no_wrap=True, overflow="ellipsis")
        status = f"{self.done} of {number_of(self._target, 'trial')}, {elapsed:.0f} s, running: {running}"
        title = Text(f"Current front: {number_of(len(rows), 'design')}", style="italic")
        return Group(title, table, more, last, Text(status, no_wrap=True, overflow="ellipsis"))


def columns_that_fit(widths: Sequence[int], room: int) -> int:
    """Return how many columns a table of at most `room` characters shows: all, or the first ones beside a '…'."""
    needed = [1 + sum(width + 3 for width in widths[:count]) for count in range(len(widths) + 1)]
    if needed[-1] <= room:
        return len(widths)
    return max(count for count, width in enumerate(needed) if count <= 1 or width + 4 <= room)


def describe(record: TrialRecord) -> str:
    """Return the main figures of a trial, or its reason, on one line."""
    if record.accuracy is None or record.hardware is None:
        return record.reason
    figures = dict(record.hardware.items())
    parts = [f"{name} {format_value(name, figures[name].value)}" for name in ("bram18", "dsp", "lut", "fps")]
    return f"accuracy {record.accuracy:.4f}  {'  '.join(parts)}  {sum(record.seconds.values()):.1f} s"


def format_value(name: str, value: float) -> str:
    """Return a figure with the digits that it deserves."""
    if name == "accuracy":
        return f"{value:.4f}"
    return f"{value:,.2f}" if name in ("power_w", "latency_us") else f"{value:,.0f}"


def records_summary(records: Sequence[TrialRecord]) -> str:
    """Return how many trials ended in which state."""
    states = [record.state for record in records]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no trial"
