"""The compressor tree, counted level by level as `fracdse.accelerator.compressor_tree` builds it.

A level turns six bits of a column into one bit of it and one of each of the next two, for three LUTs; a register stage
follows every third level. What is left, at most five bits a column, is added in pairs, a stage an addition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_LEVELS_PER_STAGE = 3
_AT_ONCE = 6
_ROWS_AT_ONCE = 4


@dataclass(frozen=True)
class TreeCount:
    """LUTs of the compressing levels, bits of the adders behind them, registers, and register stages."""

    luts: int
    adder_bits: int
    registers: int
    latency: int


def compressor_count(arrivals: Sequence[Mapping[int, int]], width: int, *, register_inputs: bool = True) -> TreeCount:
    """Count a tree; arrivals[s] maps a column to how many bits reach it s stages after the first ones."""
    columns = dict(arrivals[0])
    registers, latency = (sum(columns.values()), 1) if register_inputs else (0, 0)
    luts, levels, late = 0, 0, list(arrivals[1:])
    while late or max(columns.values(), default=0) >= _AT_ONCE:
        if levels == _LEVELS_PER_STAGE or max(columns.values(), default=0) < _AT_ONCE:
            if late:
                for column, bits in late.pop(0).items():
                    columns[column] = columns.get(column, 0) + bits
            registers, latency, levels = registers + sum(columns.values()), latency + 1, 0
        else:
            columns, groups = _level(columns, width)
            luts, levels = luts + 3 * groups, levels + 1
    return _added(columns, width, luts, registers, latency, levels)


def _level(columns: Mapping[int, int], width: int) -> tuple[dict[int, int], int]:
    after: dict[int, int] = {}
    total = 0
    for column, bits in columns.items():
        groups = bits // _AT_ONCE
        total += groups
        for weight, count in ((column, bits - 5 * groups), (column + 1, groups), (column + 2, groups)):
            if count and weight < width:
                after[weight] = after.get(weight, 0) + count
    return after, total


def _added(columns: Mapping[int, int], width: int, luts: int, registers: int, latency: int, levels: int) -> TreeCount:
    height = max(columns.values(), default=0)
    rows = sorted(
        max((column for column, bits in columns.items() if bits > row), default=0) + 1 for row in range(height)
    )
    if levels > 1 or len(rows) == 1:
        registers, latency = registers + sum(rows), latency + 1
    adder_bits = 0
    while len(rows) > 1:
        pairs = [min(width, max(a, b) + 1) for a, b in zip(rows[::2], rows[1::2], strict=False)]
        adder_bits += sum(pairs)
        rows = [*pairs, *rows[len(pairs) * 2 :]]
        registers, latency = registers + sum(rows), latency + 1
    return TreeCount(luts, adder_bits, registers, latency)


def chain_sizes(taps: int) -> tuple[int, ...]:
    """Return how many bits each level of the parity chain has: groups of three become one, the rest passes on."""
    sizes = [taps]
    while sizes[-1] >= 3:
        sizes.append(sizes[-1] // 3 + sizes[-1] % 3)
    return tuple(sizes)


@lru_cache(maxsize=10_000)
def fused_lane_count(taps: int, width: int, offsets: bool) -> TreeCount:
    """Count a lane with its weights in logic; its carries, one LUT each, are part of `luts`.

    With `offsets` a word that depends on step and border is added.
    """
    sizes = chain_sizes(taps)
    arrivals: list[dict[int, int]] = [{} for _ in range((len(sizes) - 1) // _LEVELS_PER_STAGE + 1)]
    carries = 0
    for level, bits in enumerate(sizes):
        columns = arrivals[level // _LEVELS_PER_STAGE]
        last = level == len(sizes) - 1
        column, count = (0, bits) if last else (1, bits // 3)
        carries += 0 if last else count
        columns[column] = columns.get(column, 0) + count
    _add_word(arrivals[0], width if offsets else 0)
    tree = compressor_count(arrivals, width)
    return TreeCount(tree.luts + carries, tree.adder_bits, tree.registers, tree.latency)


@lru_cache(maxsize=10_000)
def stored_lane_count(taps: int, width: int, offsets: bool) -> TreeCount:
    """Count a lane with its weights read from a memory: two levels of carries, then the tree."""
    groups = taps // 3
    second = groups + taps % 3
    inner, rest = second // 3, second % 3
    columns = {1: groups + inner, 0: inner + rest}
    _add_word(columns, width if offsets else 0)
    tree = compressor_count([columns], width)
    return TreeCount(tree.luts + groups + 2 * inner + rest, tree.adder_bits, tree.registers, tree.latency)


@lru_cache(maxsize=10_000)
def constant_rows_count(taps: int, rows: int, width: int, offsets: bool) -> TreeCount:
    """Count all rows of constant weights: classes of taps counted once for four rows, butterflies of adders, an offset.

    Over r rows of random weights the taps fall into 2^(r−1) classes of about equal size; r − 1 stages of additions and
    subtractions turn their counts into the rows' sums.
    """
    luts = adder_bits = registers = latency = 0
    for first in range(0, rows, _ROWS_AT_ONCE):
        group = min(_ROWS_AT_ONCE, rows - first)
        classes = min(taps, 2 ** (group - 1))
        members = -(-taps // classes)
        bits = members.bit_length()
        shared = compressor_count([{0: members}], bits, register_inputs=False)
        sums = _butterfly_bits(group, bits) + (group * width if offsets else 0)
        luts += classes * shared.luts
        adder_bits += classes * shared.adder_bits + sums
        registers += classes * shared.registers + sums + (0 if offsets else group * width)
        latency = max(latency, shared.latency + group)
    return TreeCount(luts, adder_bits, registers, latency)


def _butterfly_bits(rows: int, bits: int) -> int:
    """Return the adder bits that turn the counts of 2^(rows−1) classes into the sums of all rows.

    A stage halves the classes of the rows before the last, by adding, and makes the last row's differences, which are
    then added up by themselves.
    """
    total, classes = 0, 2 ** (rows - 1)
    while classes > 1:
        classes //= 2
        bits += 1
        total += classes * bits
        own, own_bits = classes, bits
        total += own * own_bits
        while own > 1:
            own //= 2
            own_bits += 1
            total += own * own_bits
    return total


def _add_word(columns: dict[int, int], bits: int) -> None:
    """Add one bit to each of the lowest columns."""
    for column in range(bits):
        columns[column] = columns.get(column, 0) + 1
