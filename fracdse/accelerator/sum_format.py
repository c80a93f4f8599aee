"""Numbers of a gated convolution's sums: weights as bits, what borders change, and the widths that follow.

A product is counted as a bit, a ^ v with v = 1 for a weight of −1, and padded taps hold a = 0. With P the number of
ones over all n taps, M = 2·P + E, where E = −n + Σ w over the padded taps depends only on the channel and on which
borders the window crosses; the same holds for L. Where all E have the same parity the lanes compute H = P + floor(E
/ 2), that is M = 2·H + parity, and H itself otherwise holds M.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.accelerator.arithmetic import signed_bits
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.window_types import WindowGeometry
from fracdse.program.model import GatedConvProgram

BitArray = NDArray[np.bool_]
IntTable = NDArray[np.int64]


@dataclass(frozen=True)
class SumFormat:
    """Width and meaning of H. `halved`: M = 2·H + `odd`; otherwise M = H and a tap's bit weighs 2."""

    taps: int
    halved: bool
    odd: int

    @property
    def tap_column(self) -> int:
        """Binary weight of one counted bit in H."""
        return 0 if self.halved else 1

    @property
    def bits(self) -> int:
        """Width of H, a signed number."""
        if self.halved:
            return signed_bits((-self.taps - self.odd) // 2, (self.taps - self.odd) // 2)
        return signed_bits(-self.taps, self.taps)

    def offset(self, border_sums: IntTable) -> IntTable:
        """Return what is added to the count of ones, for values of E."""
        return np.asarray((border_sums - self.odd) // 2 if self.halved else border_sums, dtype=np.int64)

    def threshold(self, gate_threshold: IntTable) -> IntTable:
        """Return the smallest H whose gate is open, kept within one step of what H can hold."""
        smallest = -((self.odd - gate_threshold) // 2) if self.halved else gate_threshold
        limit = 1 << (self.bits - 1)
        return np.asarray(np.clip(smallest, -limit, limit), dtype=np.int64)


def inverted_weights(program: GatedConvProgram, schedule: Schedule) -> BitArray:
    """Return v of shape (positions, taps), in the order of the schedule and the order of `TapArray`."""
    ordered = np.asarray(program.weight)[list(schedule.order)].transpose(0, 3, 2, 1)
    return np.asarray(ordered.reshape(len(schedule.order), -1) < 0)


def padded_taps(geometry: WindowGeometry) -> BitArray:
    """Return which taps lie outside the image, (2^border_bits, taps): top, left, bottom, right from bit 0 on."""
    flags = 1 << geometry.border_bits
    outside = np.zeros((flags, geometry.kernel, geometry.kernel, geometry.channels), dtype=bool)
    for border in range(flags):
        if border & 1:
            outside[border, :, 0] = True
        if border & 2:
            outside[border, 0] = True
        if border & 4:
            outside[border, :, -1] = True
        if border & 8:
            outside[border, -1] = True
    return outside.reshape(flags, -1)


def border_sums(inverted: BitArray, padded: BitArray) -> IntTable:
    """Return E of shape (positions, 2^border_bits)."""
    signs = 1 - 2 * inverted.astype(np.int64)
    return np.asarray(signs @ padded.astype(np.int64).T - inverted.shape[1], dtype=np.int64)


def balanced_weights(inverted: BitArray, padded: BitArray) -> BitArray:
    """Return weights a border, of shape (positions, 2^border_bits, taps), whose padded taps sum to 0, or 1 where odd.

    A padded tap is 0 whatever its weight, so its weight may be chosen: with as many of +1 as of −1, E is −n everywhere.
    """
    rows = np.repeat(inverted[:, None, :], padded.shape[0], axis=1)
    for border, outside in enumerate(padded):
        rows[:, border, outside] = np.arange(int(outside.sum())) % 2 == 1
    return rows


def sum_format(sums: IntTable, taps: int) -> SumFormat:
    """Choose the format for all E of a layer."""
    parities = np.unique(sums % 2)
    return SumFormat(taps, len(parities) == 1, int(parities[0]) if len(parities) == 1 else 0)
