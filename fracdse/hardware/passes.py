"""The pace of a gated convolution whose lanes take several steps a pixel: its passes, replayed column by column.

Mirrors fracdse.accelerator.pass_scheduler and sum_collector. Leading and trailing passes alternate. A leading pass
starts where a place for its pixel's sums is free; the trailing pass of a pixel comes `lag` columns after its leading
one, but not before its gates are known; a place is free again when the pixel's last sum has left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

# From the last leading step of a pixel to the first cycle in which its gates may be used, and from the end of its
# trailing pass to its first sum, both beside the latency of the adder tree.
_CYCLES_TO_A_GATE = 3
_CYCLES_TO_A_SUM = 2
_ROWS_TO_SETTLE, _ROWS_MEASURED = 2, 3


@dataclass(frozen=True)
class Passes:
    """What decides the pace of a layer: sizes of its rows and passes, latency of the adder tree, places behind it.

    `empty_columns` is 1 where a row begins with a column without a window; `trailing` is the mean length of a trailing
    pass; `pixel_slots` and `trailing_slots` are the pixels whose sums, and whose trailing sums, may be on their way.
    `awaited` says that the next layer has no queue of codes: a pixel then waits a cycle for the one before to be taken.
    """

    width: int
    empty_columns: int
    steps: int
    trailing: float
    latency: int
    lag: int
    pixel_slots: int
    trailing_slots: int
    awaited: bool


@lru_cache(maxsize=100_000)
def row_cycles(passes: Passes) -> float:
    """Return the cycles that a row takes when its input is always there."""
    columns: list[int | None] = []
    led: list[float] = []
    left: list[float] = []
    now, ends = 0.0, []
    for _ in range(_ROWS_TO_SETTLE + _ROWS_MEASURED):
        for column in range(passes.empty_columns + passes.width):
            if column < passes.empty_columns:
                columns.append(None)
                now += 1
            else:
                pixel = len(led)
                if pixel >= passes.pixel_slots:
                    now = max(now, left[pixel - passes.pixel_slots])
                columns.append(pixel)
                now += passes.steps
                led.append(now)
            now = _trailing_pass(passes, columns, led, left, now)
        ends.append(now)
    return (ends[-1] - ends[_ROWS_TO_SETTLE - 1]) / _ROWS_MEASURED


def _trailing_pass(passes: Passes, columns: list[int | None], led: list[float], left: list[float], now: float) -> float:
    """Run the trailing pass of the column `lag` before the newest one and return its end."""
    pixel = columns[-1 - passes.lag] if len(columns) > passes.lag else None
    if pixel is None:
        return now + 1
    now = max(now, led[pixel] + passes.latency + _CYCLES_TO_A_GATE)
    if pixel >= passes.trailing_slots:
        now = max(now, left[pixel - passes.trailing_slots])
    now += passes.trailing
    first_sum = max(left[-1] if left else 0.0, now + passes.latency + _CYCLES_TO_A_SUM + passes.awaited)
    left.append(first_sum + passes.steps)
    return now
