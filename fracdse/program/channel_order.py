"""Which channels share a lane: chosen so that open gates spread evenly (accelerator.md §3).

Weights are fixed, so the order in which a layer's channels are computed is free. The trailing-bit pass of a pixel takes
as many cycles as the lane with the most open gates has; the order here keeps the mean of that small on measured gates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import ProgramError

BoolMap = NDArray[np.bool_]
Counts = NDArray[np.int16]

_LARGEST_SWEEPS = 8
_LARGEST_PIXELS = 8192
# Additions of one sweep over all pairs of channels; fewer pixels are looked at where a layer has many channels.
_SWEEP_WORK = 1 << 28


def balanced_order(gate_maps: BoolMap, lanes: int) -> tuple[int, ...]:
    """Choose an order of channels that keeps the largest lane count small on measured gates.

    Channels are dealt out by how often their gates open, then exchanged between pairs of lanes as long as that lowers
    the mean over pixels of the largest count. Deterministic, and never worse than the natural order on the pixels seen.

    Args:
        gate_maps: (pixels, C) open gates of one layer.
        lanes: Divides C.

    Returns:
        The channel at each position; position i belongs to lane i mod lanes.

    Raises:
        ProgramError: `lanes` does not divide the channels.
    """
    channels = gate_maps.shape[1]
    if not 1 <= lanes <= channels or channels % lanes:
        raise ProgramError(f"lanes = {lanes} does not divide {channels} channels")
    natural = tuple(range(channels))
    if lanes in (1, channels):
        return natural
    gates = _sample(gate_maps)
    orders = [_improved(gates, start) for start in (_dealt(gates, lanes), np.arange(channels).reshape(-1, lanes))]
    best = min(orders, key=lambda order: _mean_largest(gates, order))
    return tuple(int(channel) for channel in best.reshape(-1))


def _sample(gate_maps: BoolMap) -> Counts:
    """Return gates (C, pixels) of at most as many pixels, evenly spaced, as a sweep can afford."""
    count, channels = gate_maps.shape
    wanted = max(256, min(_LARGEST_PIXELS, _SWEEP_WORK // channels**2))
    chosen = gate_maps[:: -(-count // wanted)]
    return np.ascontiguousarray(chosen.T).astype(np.int16)


def _dealt(gates: Counts, lanes: int) -> NDArray[np.intp]:
    """Deal channels out to lanes by falling frequency, back and forth: (steps, lanes)."""
    rows = np.argsort(-gates.sum(1), kind="stable").reshape(-1, lanes)
    rows[1::2] = rows[1::2, ::-1]
    return rows


def _improved(gates: Counts, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Exchange channels between lanes until a sweep over all pairs of lanes changes nothing."""
    order = order.copy()
    lanes = order.shape[1]
    counts: Counts = gates[order].sum(0, dtype=np.int16)
    for _ in range(_LARGEST_SWEEPS):
        changes = [
            _exchange(gates, order, counts, first, second)
            for first in range(lanes)
            for second in range(first + 1, lanes)
        ]
        if not any(changes):
            break
    return order


def _exchange(gates: Counts, order: NDArray[np.intp], counts: Counts, first: int, second: int) -> bool:
    """Exchange channels of two lanes where that helps, in place; tell whether any was."""
    others = np.delete(counts, [first, second], axis=0).max(0, initial=0)
    changed = False
    for step in range(len(order)):
        # Moving `mine` out of the first lane and each of `theirs` in: (steps, pixels).
        difference = gates[order[:, second]] - gates[order[step, first]]
        largest = np.maximum(np.maximum(counts[first] + difference, counts[second] - difference), others)
        totals = largest.sum(1, dtype=np.int64)
        best = int(totals.argmin())
        now = int(np.maximum(np.maximum(counts[first], counts[second]), others).sum(dtype=np.int64))
        if totals[best] < now:
            counts[first] += difference[best]
            counts[second] -= difference[best]
            order[step, first], order[best, second] = order[best, second], order[step, first]
            changed = True
    return changed


def _mean_largest(gates: Counts, order: NDArray[np.intp]) -> float:
    return float(gates[order].sum(0).max(0).mean())
