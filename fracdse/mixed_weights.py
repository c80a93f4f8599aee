"""Which weights of a lane move from block RAM into LUTs where a layer's `weight_memory` is `mixed`.

A block RAM holds a lane's weights a step and a border of the image (`fracdse.accelerator.folded_engine`). Its bits are
encoded by threes: of the taps a, b, c in a row of the kernel (left, centre, right) it holds a^b, b^c and a^b^c. A bit
depends on the step and on those borders alone that may cut off its taps, so some are functions of few enough inputs for
one LUT6. Whole columns of 36 bits leave the block RAM as long as the LUTs in their stead are worth it. The generator
and the cost model share this rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fracdse.memories import LUTS_PER_BRAM18

KERNEL = 3
TOP, LEFT, BOTTOM, RIGHT = range(4)
_LUT_INPUTS = 6
_FULL_COLUMN = 36
_LARGEST_DEPTH = 512


@dataclass(frozen=True)
class LogicBit:
    """An encoded bit that is computed: its place in the word, and the border flags that it depends on."""

    place: int
    flags: tuple[int, ...]
    luts: int


def logic_bits(channels: int, border_bits: int, steps: int) -> tuple[LogicBit, ...]:
    """Return the bits of a lane's word that LUTs compute, in the order of their places.

    There are none where the kernel is 1, where block RAM has no rows for every step and border, and where the channels
    are odd in number: an even one makes what a cut-off tap holds independent of the other borders.

    Args:
        channels: Input channels of the layer.
        border_bits: 4 where the window crosses all borders, 2 where it crosses the upper and left ones alone, 0 where
            the kernel is 1.
        steps: Steps of a lane.
    """
    step_bits = max(1, (steps - 1).bit_length())
    if not border_bits or channels % 2 or 1 << (step_bits + border_bits) > _LARGEST_DEPTH:
        return ()
    bits = sorted(_encoded_bits(channels, border_bits, step_bits), key=lambda bit: (bit.luts, bit.place))
    taken = 0
    # What does not fill a column leaves first, with the cheapest bits.
    size = len(bits) % _FULL_COLUMN or _FULL_COLUMN
    while taken + size <= len(bits) and sum(bit.luts for bit in bits[taken : taken + size]) <= LUTS_PER_BRAM18:
        taken += size
        size = _FULL_COLUMN
    return tuple(sorted(bits[:taken], key=lambda bit: bit.place))


def _encoded_bits(channels: int, border_bits: int, step_bits: int) -> list[LogicBit]:
    """Return all bits of a word: a^b, b^c, a^b^c, each for every row of the kernel and channel."""
    bits: list[LogicBit] = []
    for columns in ((0, 1), (1, 2), (0, 1, 2)):
        for row in range(KERNEL):
            flags = _flags(columns, row, border_bits)
            inputs = step_bits + len(flags)
            luts = 1 if inputs <= _LUT_INPUTS else 1 << (inputs - _LUT_INPUTS)
            bits += [LogicBit(len(bits) + channel, flags, luts) for channel in range(channels)]
    return bits


def _flags(columns: Sequence[int], row: int, border_bits: int) -> tuple[int, ...]:
    """Return the borders that may cut off one of the taps in these columns and this row."""
    cut = {0: TOP, KERNEL - 1: BOTTOM}.get(row)
    sides = {0: LEFT, KERNEL - 1: RIGHT}
    found = {flag for flag in (cut, *(sides.get(column) for column in columns)) if flag is not None}
    return tuple(sorted(flag for flag in found if flag < border_bits))
