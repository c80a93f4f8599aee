"""Thermometer encoding as arithmetic: a pixel is the number of its levels that are +1.

The level count n of an 8-bit pixel p at resolution R is round(p / R), half to even, in 0 … levels. Level i of the pixel
is +1 where i < n, else −1. The hardware carries n as a code. With a power of two of levels, the full count would take a
bit of its own in every table's address; the code is then n below it and, as its highest bit, a flag 'full' beside
levels − 1: full(n) adds the last level, one bit a pixel, to a table that is half as deep.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Value

from fracdse.accelerator.arithmetic import constant_table
from fracdse.topology import has_full_flag


def code_bits(levels: int) -> int:
    """Return the bits of a code."""
    return levels.bit_length()


def level_codes(resolution: int, levels: int) -> list[int]:
    """Return the code of every 8-bit pixel value."""
    counts = [min(round(pixel / resolution), levels) for pixel in range(256)]
    if not has_full_flag(levels):
        return counts
    return [count if count < levels else levels | (levels - 1) for count in counts]


def level_code(m: Module, pixel: Value, resolution: int, levels: int) -> Value:
    """Turn a pixel into its code, combinationally."""
    return constant_table(m, pixel, level_codes(resolution, levels), name="level_code")


def is_level_on(code: Value, level: int, levels: int) -> Value:
    """Return whether a level is +1."""
    if has_full_flag(levels):
        return (code[:-1] > level) | code[-1]
    return code > level


def level_sums(weights: Sequence[int]) -> tuple[list[int], int]:
    """Return Σ weight·level of one tap and colour for every code without its flag, and what the flag adds."""
    levels = len(weights)
    total = sum(int(weight) for weight in weights)
    sums = [-total]
    for weight in weights:
        sums.append(sums[-1] + 2 * int(weight))
    if has_full_flag(levels):
        return sums[:-1], sums[-1] - sums[-2]
    return sums, 0
