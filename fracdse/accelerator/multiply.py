"""Multiplication by a constant of a small table: one DSP slice, or shifts where the constants allow.

Latency: two register stages from operand and index to the product, a third to the sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from fracdse.accelerator.arithmetic import as_signed, constant_mux, constant_table
from fracdse.accelerator.pipeline import Pipeline


def is_shift(multiplier: int, factor: int) -> bool:
    """Say whether a multiplier is 0 or ± a power of two times `factor`."""
    magnitude = abs(int(multiplier))
    return magnitude % factor == 0 and (magnitude // factor).bit_count() <= 1


def is_upward_shift(multiplier: int) -> bool:
    """Say whether a multiplier is 0 or a positive power of two."""
    return multiplier >= 0 and is_shift(multiplier, 1)


def shift_factor(multipliers: Sequence[int]) -> int | None:
    """Return 1 or 3 where all multipliers are 0 or ± powers of two times it, and None where a multiplier is needed."""
    return next((factor for factor in (1, 3) if all(is_shift(value, factor) for value in multipliers)), None)


def constant_product(operand: Value, constant: int) -> Value:
    """Return operand·constant as shifted operands, added and subtracted: one a digit of the signed-digit form."""
    added: list[Value] = []
    subtracted: list[Value] = []
    rest, place = int(constant), 0
    while rest:
        if rest & 1:
            digit = 2 - (rest & 3)
            (added if digit == 1 else subtracted).append(operand << place)
            rest -= digit
        rest, place = rest >> 1, place + 1
    return _balanced_sum(added) - _balanced_sum(subtracted)


def _balanced_sum(values: list[Value]) -> Value:
    if len(values) < 2:
        return values[0] if values else Const(0, signed(1))
    half = len(values) // 2
    return _balanced_sum(values[:half]) + _balanced_sum(values[half:])


def table_product(pipe: Pipeline, operand: Value, index: Value, constants: Sequence[int]) -> Value:
    """Return operand·constants[index], two stages later: by a DSP slice, or by additions where there is one constant.

    Synthesis may take a constant's product into LUTs or not, by its value; so it is never left to it.
    """
    operand = as_signed(operand)
    if len(constants) == 1:
        return pipe.register(constant_product(pipe.register(operand), constants[0]), name="product")
    return _slice_product(pipe, operand, as_signed(constant_mux(index, constants)))


def _slice_product(pipe: Pipeline, operand: Value, multiplier: Value) -> Value:
    left, right = pipe.registers(operand, multiplier)
    return pipe.register(left * right, name="product")


def product_and_carry(
    m: Module, pipe: Pipeline, operand: Value, index: Value, multipliers: Sequence[int], *, factor: int | None
) -> tuple[Value, Value]:
    """Return (product, carry) two stages later, with operand·multipliers[index] = product + carry.

    Args:
        m: Module to build in.
        pipe: Stages to build with.
        operand: Value to multiply.
        index: Position in `multipliers`, at the same stage as the operand.
        multipliers: The constants.
        factor: What `shift_factor` says of all lanes together; None takes a DSP slice, but not for a single constant.
    """
    operand = as_signed(operand)
    if factor is None:
        if len(multipliers) == 1:
            return table_product(pipe, operand, index, multipliers), Const(0, 1)
        return _slice_product(pipe, operand, constant_mux(index, multipliers)), Const(0, 1)
    scaled = operand if factor == 1 else (operand << 1) + operand
    steps = [(abs(int(value)) // factor).bit_length() - 1 if value else 0 for value in multipliers]
    shared = min(steps)
    amount = constant_table(m, index, [step - shared for step in steps], name="amount")
    negative = constant_table(m, index, [int(value < 0) for value in multipliers], name="negative")
    used = constant_table(m, index, [int(value != 0) for value in multipliers], name="used")
    width = len(scaled) + max(steps) - shared
    shifted = Signal(signed(width), name="shifted")
    m.d.comb += shifted.eq(scaled << amount)
    shifted, negative_1 = pipe.registers(Mux(used, shifted, 0).as_signed(), Value.cast(negative))
    flipped, carry = pipe.registers(shifted ^ negative_1.replicate(width).as_signed(), negative_1)
    return _align(flipped, carry, shared)


def _align(flipped: Value, carry: Value, shared: int) -> tuple[Value, Value]:
    """Shift −x − 1 and its carry left together: (f + c)·2^n = Cat(c…c, f) + c."""
    return Cat(carry.replicate(shared), flipped).as_signed(), carry


def add_with_carry(left: Value, right: Value, carry: Value) -> Value:
    """Add two signed values and a carry bit in one carry chain."""
    if isinstance(carry, Const):
        return left + right
    return (Cat(Const(1, 1), left).as_signed() + Cat(carry, right).as_signed()).shift_right(1)


def multiply_add(
    m: Module,
    pipe: Pipeline,
    operand: Value,
    index: Value,
    multipliers: Sequence[int],
    offsets: Sequence[int],
    *,
    factor: int | None,
    extra: Value | None = None,
    extra_shift: int = 0,
) -> Value:
    """Return operand·multipliers[index] + offsets[index] + extra·2^extra_shift, three stages later.

    All inputs belong to one stage. In a DSP slice everything after the two tables is the slice's own: operand and
    multiplier registers, product register, and its adder, which takes offset and extra through one register. Where a
    product is shifts and nothing else is added, no register lies between the table of offsets and the adder, so that
    both become one LUT a bit.
    """
    product, carry = product_and_carry(m, pipe, operand, index, multipliers, factor=factor)
    index = pipe.register(index, name="index")
    if extra is not None:
        summed = _shifted_sum(m, pipe.register(extra), extra_shift, index, offsets, in_slice=factor is None)
        addend = pipe.register(summed, name="addend")
    elif factor is None:
        addend = pipe.register(as_signed(constant_mux(index, offsets)), name="addend")
    else:
        index = pipe.register(index, name="index")
        addend = as_signed(constant_table(m, index, offsets, name="offset"))
    return pipe.register(add_with_carry(product, addend, carry), name="sum")


def _shifted_sum(m: Module, extra: Value, shift: int, index: Value, offsets: Sequence[int], *, in_slice: bool) -> Value:
    """Return extra·2^shift + offsets[index], with no adder below bit `shift`: one LUT a bit above it."""

    def table(values: list[int], name: str) -> Value:
        return constant_mux(index, values) if in_slice else constant_table(m, index, values, name=name)

    high = as_signed(table([int(offset) >> shift for offset in offsets], "offset"))
    total = as_signed(extra) + high
    if not shift:
        return total
    low = table([int(offset) & ((1 << shift) - 1) for offset in offsets], "offset_low")
    return Cat(Cat(low, Const(0, shift))[:shift], total).as_signed()
