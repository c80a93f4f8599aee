"""Small pieces of integer logic that every unit shares: constant tables, widths, saturation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned

from fracdse.program.fixed_point import SATURATED_BITS


def shape_of(values: Iterable[int]) -> Shape:
    """Return the narrowest shape that holds all values: unsigned where none is negative."""
    known = [int(value) for value in values]
    low, high = min(known), max(known)
    if low >= 0:
        return unsigned(max(1, high.bit_length()))
    return signed(max((~low).bit_length(), high.bit_length()) + 1)


def signed_bits(low: int, high: int) -> int:
    """Return the bits of the narrowest two's-complement word that holds `low` and `high`."""
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def constant_table(m: Module, index: Value, values: Sequence[int], name: str = "table") -> Value:
    """Look `index` up in a table of constants, combinationally; it becomes LUT logic, never a memory.

    Indices past the end give the first entry. The result is as narrow as the values allow.
    """
    entries = [int(value) for value in values]
    shape = shape_of(entries)
    if len(set(entries)) == 1:
        return Const(entries[0], shape)
    out = Signal(shape, name=name)
    with m.Switch(index):
        for position, entry in enumerate(entries[1:], start=1):
            if entry != entries[0]:
                with m.Case(position):
                    m.d.comb += out.eq(entry)
        with m.Default():
            m.d.comb += out.eq(entries[0])
    return out


def registered_table(m: Module, index: Value, values: Sequence[int], name: str = "table") -> Signal:
    """Look `index` up as `constant_table` does, with one cycle of latency."""
    value = constant_table(m, index, values, name=name)
    held = Signal(value.shape(), name="held")
    m.d.sync += held.eq(value)
    return held


def constant_mux(index: Value, values: Sequence[int]) -> Value:
    """Look `index` up as `constant_table` does, by multiplexers.

    For a table in front of a DSP slice: Yosys makes a memory of a larger `constant_table`, and its register, which the
    slice has room for, becomes the memory's.
    """
    entries = [int(value) for value in values]
    return _chosen(index, entries[: 1 << len(index)], entries[0], shape_of(entries))


def _chosen(index: Value, entries: list[int], otherwise: int, shape: Shape) -> Value:
    if all(entry == otherwise for entry in entries):
        return Const(otherwise, shape)
    if not len(index):
        return Const(entries[0], shape)
    half = 1 << (len(index) - 1)
    low, high = (_chosen(index[:-1], part, otherwise, shape) for part in (entries[:half], entries[half:]))
    chosen = Mux(index[-1], high, low)
    return chosen.as_signed() if shape.signed else chosen


def saturate(value: Value, bits: int) -> Value:
    """Clamp a signed value to −2^(bits−1) … 2^(bits−1) − 1; the result has exactly `bits` bits."""
    width = len(value)
    if width <= bits:
        return Cat(value, value[-1].replicate(bits - width)).as_signed()
    high = value[bits - 1 :]
    sign = value[-1]
    fits = high.all() | ~high.any()
    limit = Cat((~sign).replicate(bits - 1), sign)
    return Mux(fits, value[:bits], limit).as_signed()


def saturate_word(value: Value, bits: int) -> Value:
    """Saturate the leading byte of a signed value as `fracdse.program.fixed_point.saturate_word` does, bits long."""
    if len(value) <= bits:
        return saturate(value, bits)
    passed = max(0, bits - SATURATED_BITS)
    return Cat(value[:passed], saturate(value[passed:].as_signed(), bits - passed)).as_signed()


def as_signed(value: Value) -> Value:
    """Return a value as a signed one, a bit wider where it was unsigned."""
    return value if value.shape().signed else Cat(value, 0).as_signed()
