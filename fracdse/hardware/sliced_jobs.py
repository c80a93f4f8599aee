"""The jobs of a sliced lane at the end of a pixel: how long it waits for the last gates.

Mirrors fracdse.accelerator.sliced_engine: a job is M of the next channel or L of the oldest one whose gate was found
open, which goes first. The next pixel begins when all gates of this one are known and their jobs done.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fracdse.gates import LAST_CHANNELS

# So many last channels are followed, where jobs are shorter than the wait and where they are not; what lies before them
# changes the mean by half a cycle at most.
_LAST_OF_LONG_JOBS = LAST_CHANNELS // 2


def idle_cycles(channels: int, job: int, to_gate: int, opened: float, last_open: Sequence[float] = ()) -> float:
    """Return the mean cycles of a pixel in which a lane issues nothing, with gates that open independently.

    Args:
        channels: Of the output.
        job: Cycles of a job.
        to_gate: Cycles from a channel's last slice to the next pixel's first one, where nothing else is to be done.
        opened: Chance that a gate is open.
        last_open: The chance of each of the last channels, where it is known.
    """
    last = min(channels, LAST_CHANNELS if job < to_gate else _LAST_OF_LONG_JOBS)
    chances = list(last_open[-last:]) or [opened] * last
    likelihood = np.ones(1)
    for chance in chances:
        likelihood = np.outer(likelihood, (1 - chance, chance)).ravel()
    return float(likelihood @ _idle_of_all(len(chances), job, to_gate))


@lru_cache(maxsize=10_000)
def _idle_of_all(channels: int, job: int, to_gate: int) -> NDArray[np.float64]:
    """Return the idle cycles for each choice of open gates, the last channel's changing fastest."""
    return np.array([_idle_of(gates, job, to_gate) for gates in product((0, 1), repeat=channels)], dtype=np.float64)


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
