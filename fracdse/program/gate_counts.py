"""Count open gates, by lane: what the trailing-bit pass of each layer costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.gates import LAST_CHANNELS, GateStatistics, LayerGates

BoolMap = NDArray[np.bool_]


@dataclass(frozen=True)
class GateCounts:
    """Sums over the output pixels of some images: of open gates, and of the largest lane's for each number of lanes.

    `last` are the open gates of each of the last channels.
    """

    pixels: int
    channels: int
    open: int
    largest: dict[int, int]
    last: tuple[int, ...]

    @classmethod
    def of(cls, gates: BoolMap) -> GateCounts:
        """Count the gates (…, C) of one layer."""
        rows = np.ascontiguousarray(gates.reshape(-1, gates.shape[-1]).T).view(np.uint8)
        channels, pixels = rows.shape
        largest = {lanes: int(count.sum(dtype=np.int64)) for lanes, count in _largest_counts(rows).items()}
        last = tuple(int(np.count_nonzero(row)) for row in rows[-LAST_CHANNELS:])
        return cls(pixels, channels, int(np.count_nonzero(rows)), largest, last)

    def __add__(self, other: GateCounts) -> GateCounts:
        largest = {lanes: count + other.largest[lanes] for lanes, count in self.largest.items()}
        last = tuple(count + more for count, more in zip(self.last, other.last, strict=True))
        return GateCounts(self.pixels + other.pixels, self.channels, self.open + other.open, largest, last)


def divisors(channels: int) -> list[int]:
    """Return the divisors of `channels`, largest first."""
    return [lanes for lanes in range(channels, 0, -1) if channels % lanes == 0]


def largest_lane_count(gates: BoolMap, lanes: int, channel_order: Sequence[int] = ()) -> float:
    """Return the mean over pixels of the largest number of open gates in a lane.

    Args:
        gates: (pixels, C).
        lanes: Divides C. The channel at position i of the order belongs to lane i mod lanes.
        channel_order: A permutation of the channels; empty means the natural order.
    """
    ordered = gates[:, list(channel_order)] if len(channel_order) else gates
    grouped = ordered.reshape(len(ordered), -1, lanes)
    return float(grouped.sum(1).max(1).mean())


def statistics(names: Sequence[str], counts: Sequence[GateCounts], images: int) -> GateStatistics:
    """Return the statistics of a run from the sums of its layers."""
    layers = tuple(
        LayerGates(
            name,
            count.open / (count.pixels * count.channels),
            {lanes: count.largest[lanes] / count.pixels for lanes in sorted(count.largest)},
            tuple(opened / count.pixels for opened in count.last),
        )
        for name, count in zip(names, counts, strict=True)
    )
    return GateStatistics(layers, images)


def _largest_counts(rows: NDArray[np.uint8]) -> dict[int, NDArray[np.uint16]]:
    """Return each pixel's largest lane count for every divisor, from gates (C, pixels).

    Counts of p lanes are sums of those of a multiple of p, so each is taken from the smallest multiple already known.
    """
    channels = len(rows)
    known: dict[int, NDArray[np.uint16]] = {}
    dtype = np.uint8 if channels < 256 else np.uint16
    for lanes in divisors(channels):
        if lanes == channels:
            known[lanes] = rows.astype(dtype, copy=False)
            continue
        source = known[min(more for more in known if more % lanes == 0)]
        known[lanes] = source.reshape(-1, lanes, rows.shape[1]).sum(0, dtype=dtype)
    return {lanes: count.max(0) for lanes, count in known.items()}
