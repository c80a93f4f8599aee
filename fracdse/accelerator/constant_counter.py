"""Counts of equal bits for weights that never change: all output channels at once.

Rows of a constant ±1 matrix are taken a few at a time. Over r rows, taps fall into 2^(r−1) classes by how the signs of
the other rows relate to the first row's. The ones of each class are counted once; a row's count is the sum, over the
classes, of the class's count or of its complement, and sums of classes are shared between rows as well. Four rows so
cost little more than one, and no weight takes any memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value

from fracdse.accelerator.arithmetic import shape_of
from fracdse.accelerator.compressor_tree import Counted, compress, wire
from fracdse.accelerator.lane_counter import lookup, word
from fracdse.accelerator.sum_format import BitArray, IntTable, SumFormat

ROWS_AT_ONCE = 4


@dataclass(frozen=True)
class TapClass:
    """Taps whose weights agree between rows up to a sign a row; `flipped[j]`: row j's products are the complements."""

    members: tuple[int, ...]
    flipped: tuple[bool, ...]


def tap_classes(inverted: BitArray) -> list[TapClass]:
    """Group the taps of some rows, v of shape (rows, taps), by the rows' signs relative to the first row."""
    relative = inverted ^ inverted[0]
    patterns: dict[tuple[bool, ...], list[int]] = {}
    for tap, column in enumerate(relative.T):
        patterns.setdefault(tuple(bool(bit) for bit in column), []).append(tap)
    return [TapClass(tuple(members), flipped) for flipped, members in sorted(patterns.items())]


def constant_counters(
    m: Module, taps: Value, border: Value, inverted: BitArray, sums: IntTable, form: SumFormat
) -> list[Counted]:
    """Count all rows.

    Args:
        m: Module to add to.
        taps: Register of all taps.
        border: Register, valid together with the taps.
        inverted: v, of shape (rows, taps).
        sums: E, of shape (rows, 2^border_bits).
        form: Format of H.

    Returns:
        H of every row, all with the same latency.
    """
    counted: list[Counted] = []
    for first in range(0, len(inverted), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        counted.extend(_group(m, taps, border, inverted[rows], sums[rows], form))
    latency = max(row.latency for row in counted)
    return [Counted(_later(m, row.value, latency - row.latency), latency) for row in counted]


def _group(m: Module, taps: Value, border: Value, inverted: BitArray, sums: IntTable, form: SumFormat) -> list[Counted]:
    """Count the rows of one group."""
    products = wire(m, taps ^ Const(word(inverted[0]), inverted.shape[1]), "products")
    classes = tap_classes(inverted)
    counts = []
    for members in classes:
        chosen = wire(m, Cat(products[tap] for tap in members.members), "class")
        counts.append(compress(m, [{0: [chosen]}], len(chosen).bit_length(), register_inputs=False))
    latency = max(count.latency for count in counts)
    nodes = {
        members.flipped[1:]: _Number(_later(m, count.value, latency - count.latency), 0, len(members.members))
        for count, members in zip(counts, classes, strict=True)
    }
    totals = _signed_sums(m, nodes, len(inverted) - 1)
    latency += len(inverted) - 1
    complements = [sum(len(c.members) for c in classes if c.flipped[row]) for row in range(len(inverted))]
    offsets = form.offset(sums) + (np.array(complements)[:, None] << form.tap_column)
    corner = _later(m, border, latency)
    return [
        Counted(_offset(m, total, corner, row_offsets, form), latency + 1)
        for total, row_offsets in zip(totals, offsets, strict=True)
    ]


@dataclass(frozen=True)
class _Number:
    """A value and its range; what is missing is 0."""

    value: Value
    low: int
    high: int


_Nodes = Mapping[tuple[bool, ...], _Number]
_ZERO = _Number(Const(0, 1), 0, 0)


def _signed_sums(m: Module, nodes: _Nodes, last: int) -> list[_Number]:
    """Return Σ ±node for rows 0 to `last`: − where the node's pattern has the row's flag set; row 0 has none.

    Pairs of nodes that differ in the last row's flag are added for the rows before it, and subtracted for it: the
    butterflies of a Walsh-Hadamard transform, one register stage each.
    """
    if last == 0:
        return [nodes.get((), _ZERO)]
    patterns = sorted({pattern[:-1] for pattern in nodes})
    pairs = {p: (nodes.get((*p, False), _ZERO), nodes.get((*p, True), _ZERO)) for p in patterns}
    added = {p: _add(m, a, b) for p, (a, b) in pairs.items()}
    row = {p: _subtract(m, a, b) for p, (a, b) in pairs.items()}
    while len(next(iter(row), ())):
        row = {
            p: _add(m, row.get((*p, False), _ZERO), row.get((*p, True), _ZERO))
            for p in sorted({pattern[:-1] for pattern in row})
        }
    return [*_signed_sums(m, added, last - 1), row[()]]


def _add(m: Module, a: _Number, b: _Number) -> _Number:
    return _result(m, a.value + b.value, a.low + b.low, a.high + b.high)


def _subtract(m: Module, a: _Number, b: _Number) -> _Number:
    return _result(m, a.value - b.value, a.low - b.high, a.high - b.low)


def _result(m: Module, value: Value, low: int, high: int) -> _Number:
    register = Signal(shape_of((low, high)), name="partial", reset_less=True)
    m.d.sync += register.eq(value)
    return _Number(register, low, high)


def _offset(m: Module, total: _Number, border: Value, offsets: IntTable, form: SumFormat) -> Value:
    """Add a row's offset, which depends on the border."""
    wrapped = [int(offset) % (1 << form.bits) for offset in offsets]
    offset = wire(m, lookup(border, wrapped, form.bits), "offset")
    count = Signal(form.bits, name="count", reset_less=True)
    m.d.sync += count.eq((total.value << form.tap_column) + offset)
    return count


def _later(m: Module, value: Value, cycles: int) -> Value:
    for _ in range(cycles):
        register = Signal(len(value), name="later")  # with a reset, so that it takes registers and no LUT
        m.d.sync += register.eq(value)
        value = register
    return value
