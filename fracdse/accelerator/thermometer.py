"""Thermometer encoding as arithmetic: a pixel is the number of its levels that are +1, and 'outside' is one code more.

The level count n of an 8-bit pixel p at resolution R is round(p / R), half to even, in 0 … levels. Level i of the
pixel is +1 where i < n, else −1. A tap outside the image adds 0, whatever its weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Value

from fracdse.accelerator.arithmetic import constant_table


def level_counts(resolution: int, levels: int) -> list[int]:
    """Return the level count of every 8-bit pixel value."""
    return [min(round(pixel / resolution), levels) for pixel in range(256)]


def code_bits(levels: int) -> int:
    """Return the bits of a code: level counts 0 … levels, and all ones for a tap outside the image."""
    return (levels + 1).bit_length()


def outside_code(levels: int) -> int:
    """Return the code of a tap outside the image."""
    return (1 << code_bits(levels)) - 1


def level_code(m: Module, pixel: Value, resolution: int, levels: int) -> Value:
    """Turn a pixel into its level count, combinationally."""
    return constant_table(m, pixel, level_counts(resolution, levels), name="level_count")


def level_sums(weights: Sequence[int]) -> list[int]:
    """Return Σ weight·level of one tap and colour for every code; codes that do not occur give 0, as outside does."""
    levels = len(weights)
    total = sum(int(weight) for weight in weights)
    sums, prefix = [], 0
    for count in range(levels + 1):
        sums.append(2 * prefix - total)
        prefix += int(weights[count]) if count < levels else 0
    return sums + [0] * ((1 << code_bits(levels)) - len(sums))
