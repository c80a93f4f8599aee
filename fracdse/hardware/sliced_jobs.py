"""The jobs of a sliced lane at the end of a pixel: how long it waits for the last gates.

Mirrors fracdse.accelerator.sliced_engine: a job is M of the next channel or L of the oldest one whose gate was found
open, which goes first. The next pixel begins when all gates of this one are known and their jobs done.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

# So many last channels are followed, where jobs are shorter than the wait and where they are not; what lies before them
# changes the mean by half a cycle at most.
_LAST_CHANNELS, _LAST_OF_LONG_JOBS = 8, 4


def idle_cycles(channels: int, job: int, to_gate: int, opened: float) -> float:
    """Return the mean cycles of a pixel in which a lane issues nothing, with gates that open independently.

    Args:
        channels: Of the output.
        job: Cycles of a job.
        to_gate: Cycles from a channel's last slice to the next pixel's first one, where nothing else is to be done.
        opened: Chance that a gate is open.
    """
    return _idle_cycles(channels, job, to_gate, round(opened, 2))


@lru_cache(maxsize=10_000)
def _idle_cycles(channels: int, job: int, to_gate: int, opened: float) -> float:
    last = min(channels, _LAST_CHANNELS if job < to_gate else _LAST_OF_LONG_JOBS)
    return sum(
        opened ** sum(gates) * (1 - opened) ** (last - sum(gates)) * _idle_of(gates, job, to_gate)
        for gates in product((0, 1), repeat=last)
    )


def _idle_of(gates: tuple[int, ...], job: int, to_gate: int) -> int:
    """Return the idle cycles of channels whose gates are given, when nothing is under way before them."""
    now, led, looked_at, idle = 0, 0, 0, 0
    known: list[int] = []
    while led < len(gates) or looked_at < len(gates):
        while looked_at < led and known[looked_at] <= now and not gates[looked_at]:
            looked_at += 1
        if looked_at < led and known[looked_at] <= now:
            looked_at += 1
            now += job
        elif led < len(gates):
            now += job
            known.append(now + to_gate - 1)
            led += 1
        elif looked_at < led:
            idle += known[looked_at] - now
            now = known[looked_at]
    return idle + 1
