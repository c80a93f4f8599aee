"""Count bits: columns of equal weight, compressed six bits to three, then added.

A column is a vector of bits that all weigh 2^column. One level of LUT6 turns six bits of a column into one bit of
it, one of the next and one of the next but one; what is left of every column (at most five bits) is added by carry
chains. Both take one LUT for each bit that they remove. Vectors stay whole in the source, so that a simulator works
on words, not bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value

LEVELS_PER_STAGE = 3
_COMPRESSED_AT_ONCE = 6

Columns = dict[int, list[Value]]


@dataclass(frozen=True)
class Counted:
    """A sum modulo 2^width, `latency` register stages after the columns it was made of."""

    value: Value
    latency: int


def wire(m: Module, value: Value, name: str = "wire") -> Signal:
    """Give an unsigned value a name, so that what is used twice is generated once."""
    named = Signal(len(value), name=name)
    m.d.comb += named.eq(value)
    return named


def full_adder(m: Module, a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """Return the sum and carry vectors of three vectors of one column."""
    return wire(m, a ^ b ^ c, "sum"), wire(m, majority(a, b, c), "carry")


def majority(a: Value, b: Value, c: Value) -> Value:
    """Return which positions have at least two ones."""
    return (a & b) | (c & (a | b))


def counter_6_3(m: Module, bits: Sequence[Value]) -> tuple[Value, Value, Value]:
    """Return the three bits (weights 1, 2, 4) of the count of six vectors, position by position."""
    a, b, c, d, e, f = bits
    sum_left, carry_left = full_adder(m, a, b, c)
    sum_right, carry_right = full_adder(m, d, e, f)
    carry = wire(m, sum_left & sum_right)
    twos, fours = full_adder(m, carry_left, carry_right, carry)
    return wire(m, sum_left ^ sum_right), twos, fours


def add_columns(target: Columns, extra: Mapping[int, Sequence[Value]]) -> None:
    """Append the vectors of `extra` to the columns of `target`."""
    for column, vectors in extra.items():
        target.setdefault(column, []).extend(vector for vector in vectors if len(vector))


def compress(
    m: Module, arrivals: Sequence[Columns], width: int, constant: int = 0, *, register_inputs: bool = True
) -> Counted:
    """Return the registered sum of all columns and a constant, modulo 2^width.

    arrivals[s] are combinational vectors `s` register stages after the first ones; they may use the levels of a stage
    where `register_inputs` puts a register behind the first; otherwise they are registers themselves, or one
    level behind.
    """
    columns: Columns = {}
    add_columns(columns, arrivals[0])
    latency, levels = 0, 0
    if register_inputs:
        columns, latency = _registered(m, columns), 1
    late = list(arrivals[1:])
    while late or _height(columns) >= _COMPRESSED_AT_ONCE:
        if levels == LEVELS_PER_STAGE or _height(columns) < _COMPRESSED_AT_ONCE:
            if late:
                add_columns(columns, late.pop(0))
            columns, latency, levels = _registered(m, columns), latency + 1, 0
        else:
            columns, levels = _level(m, columns, width), levels + 1
    rows = _rows(m, columns, width)
    if constant % (1 << width):
        rows.append(Const(constant % (1 << width), width))
    return _add(m, rows, width, latency, levels)


def _height(columns: Columns) -> int:
    return max((sum(map(len, vectors)) for vectors in columns.values()), default=0)


def _registered(m: Module, columns: Columns) -> Columns:
    """Put a register stage behind every column."""
    registered: Columns = {}
    for column, vectors in columns.items():
        joined = Cat(*vectors)
        if len(joined):
            stage = Signal(len(joined), name=f"column{column}", reset_less=True)
            m.d.sync += stage.eq(joined)
            registered[column] = [stage]
    return registered


def _level(m: Module, columns: Columns, width: int) -> Columns:
    """Compress every column once, six bits to three."""
    compressed: Columns = {}
    for column in sorted(columns):
        bits = wire(m, Cat(*columns[column]), f"column{column}")
        group = len(bits) // _COMPRESSED_AT_ONCE
        used = group * _COMPRESSED_AT_ONCE
        outputs: dict[int, list[Value]] = {column: [bits[used:]]}
        if group:
            ones, twos, fours = counter_6_3(m, [bits[i * group : (i + 1) * group] for i in range(_COMPRESSED_AT_ONCE)])
            outputs = {column: [bits[used:], ones], column + 1: [twos], column + 2: [fours]}
        add_columns(compressed, {weight: vectors for weight, vectors in outputs.items() if weight < width})
    return compressed


def _rows(m: Module, columns: Columns, width: int) -> list[Value]:
    """Read the columns as binary numbers, as few as the highest column has bits."""
    joined = {column: wire(m, Cat(*vectors)) for column, vectors in columns.items() if column < width}
    rows = []
    for row in range(_height(columns)):
        bits = [joined[c][row] if c in joined and row < len(joined[c]) else Const(0, 1) for c in range(width)]
        while len(bits) > 1 and isinstance(bits[-1], Const):
            bits.pop()
        rows.append(wire(m, Cat(*bits), "row"))
    return rows


def _add(m: Module, rows: list[Value], width: int, latency: int, levels: int) -> Counted:
    """Add numbers in pairs, one register stage an addition."""
    rows = sorted(rows, key=len)
    if levels > 1 or len(rows) == 1:
        rows, latency = [_register(m, row) for row in rows], latency + 1
    while len(rows) > 1:
        pairs = [a + b for a, b in zip(rows[::2], rows[1::2], strict=False)]
        rows, latency = [_register(m, row[:width]) for row in [*pairs, *rows[len(pairs) * 2 :]]], latency + 1
    return Counted(wire(m, Cat(rows[0], Const(0, width))[:width], "count"), latency)


def _register(m: Module, value: Value) -> Value:
    if isinstance(value, Const):
        return value
    stage = Signal(len(value), name="addend", reset_less=True)
    m.d.sync += stage.eq(value)
    return stage
