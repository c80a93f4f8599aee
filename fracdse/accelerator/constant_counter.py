"""Counts of equal bits for weights that never change: all output channels at once.

Rows of a constant ±1 matrix are taken a few at a time. Over r rows, taps fall into 2^(r−1) classes by how the signs
of the other rows relate to the first row's. The ones of each class are counted once; a row's count is the sum, over
the classes, of the class's count or of its complement. Four rows so cost little more than one, and no weight takes
any memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value

from fracdse.accelerator.compressor_tree import Columns, Counted, add_columns, compress, wire
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
        bits = len(members.members).bit_length()
        chosen = wire(m, Cat(products[tap] for tap in members.members), "class")
        counts.append(compress(m, [{0: [chosen]}], bits, register_inputs=False))
    latency = max(count.latency for count in counts)
    values = [_later(m, count.value, latency - count.latency) for count in counts]
    offsets = form.offset(sums)
    return [
        _row(m, row, values, classes, _later(m, border, latency), offsets[row], latency, form)
        for row in range(len(inverted))
    ]


def _row(
    m: Module,
    row: int,
    values: Sequence[Value],
    classes: Sequence[TapClass],
    border: Value,
    offsets: IntTable,
    latency: int,
    form: SumFormat,
) -> Counted:
    """Add the counts of all classes for one row; a complemented class of n taps counts n − c = ~c + n + 1 − 2^bits."""
    columns: Columns = {}
    constant = int(offsets[0])
    for value, members in zip(values, classes, strict=True):
        bits = [value[bit : bit + 1] for bit in range(len(value))]
        if members.flipped[row]:
            bits = [~bit for bit in bits]
            constant += (len(members.members) + 1 - (1 << len(bits))) << form.tap_column
        add_columns(columns, {form.tap_column + column: [bit] for column, bit in enumerate(bits)})
    changes = [int(offset) - int(offsets[0]) for offset in offsets]
    if any(changes):
        low = min(changes)
        width = (max(changes) - low).bit_length()
        change = wire(m, lookup(border, [value - low for value in changes], width), "change")
        add_columns(columns, {column: [change[column : column + 1]] for column in range(width)})
        constant += low
    total = compress(m, [columns], form.bits, constant, register_inputs=False)
    return Counted(total.value, total.latency + latency)


def _later(m: Module, value: Value, cycles: int) -> Value:
    for _ in range(cycles):
        register = Signal(len(value), name="later")  # with a reset, so that it takes registers and no LUT
        m.d.sync += register.eq(value)
        value = register
    return value
