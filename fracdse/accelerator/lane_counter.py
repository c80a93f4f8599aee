"""One lane's count of equal bits, H, for weights that change from step to step.

Two forms. `fused_lane` holds up to eight steps in the LUTs that compute: three activations and three step bits make
one LUT6 a carry, and weights take no memory at all. `stored_lane` reads weights from a memory whose word is encoded
for it: of every three weights it keeps va^vb, vb^vc and va^vb^vc, so that the parity that the next level needs is
there without logic. Both take H from `compress`; `latency` counts register stages from the cycle in which the taps
are valid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from fracdse.accelerator.compressor_tree import Columns, Counted, add_columns, compress, majority, wire
from fracdse.accelerator.parity_chain import ParityChain, split, triples, weight_levels
from fracdse.accelerator.sum_format import BitArray, IntTable, SumFormat

FUSED_STEPS = 8


def lookup(index: Value, words: Sequence[int], width: int) -> Value:
    """Select one of `words` by a tree of multiplexers; the last word stands for all beyond it."""
    if len(set(words)) == 1:
        return Const(words[0], width)
    half = 1 << (len(index) - 1)
    if len(words) <= half:
        return lookup(index[:-1], words, width)
    return Mux(index[-1], lookup(index[:-1], words[half:], width), lookup(index[:-1], words[:half], width))


def word(bits: BitArray) -> int:
    """Return a vector of bits as a number, the first bit lowest."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def fused_lane(
    m: Module, chain: ParityChain, step: Value, border: Value, inverted: BitArray, sums: IntTable, form: SumFormat
) -> Counted:
    """Count with the weights in logic.

    Args:
        m: Module to add to.
        chain: Parities of the taps.
        step, border: Registers, valid together with the taps.
        inverted: v, of shape (steps, taps).
        sums: E, of shape (steps, 2^border_bits).
        form: Format of H.
    """
    last = len(chain.levels) - 1
    arrivals: list[Columns] = [{} for _ in range(chain.stage(last) + 1)]
    steps = [step]
    while len(steps) < len(arrivals):
        steps.append(_delayed(m, steps[-1]))
    carry_column = form.tap_column + 1
    for level, (taps, weights) in enumerate(zip(chain.levels, weight_levels(inverted), strict=True)):
        stage = chain.stage(level)
        rows = lookup(steps[stage], [word(row) for row in weights], weights.shape[1])
        if level == last:
            add_columns(arrivals[stage], {form.tap_column: [taps ^ rows]})
        else:
            add_columns(arrivals[stage], {carry_column: [carries(m, taps, rows)]})
    constant = _add_offset(m, arrivals[0], step, border, form.offset(sums), form.bits)
    return compress(m, arrivals, form.bits, constant)


def stored_lane(
    m: Module,
    chain: ParityChain,
    weights: Value,
    step: Value,
    border: Value,
    sums: IntTable,
    form: SumFormat,
) -> Counted:
    """Count with weights read from a memory word of `encoded_weights`; see `fused_lane` for the rest."""
    taps = chain.levels[0]
    group = triples(len(taps))
    xor_ab, xor_bc, parity = weights[:group], weights[group : 2 * group], weights[2 * group :]
    first = wire(m, parity[:group] ^ xor_bc)
    second = wire(m, first ^ xor_ab)
    rows = Cat(first, second, second ^ xor_bc, parity[group:])
    carry_column = form.tap_column + 1
    columns: Columns = {carry_column: [carries(m, taps, rows)]} if group else {}
    a, b, c, rest = split(wire(m, chain.levels[1] ^ parity if group else taps ^ weights))
    add_columns(columns, {form.tap_column: [wire(m, a ^ b ^ c), rest], carry_column: [wire(m, majority(a, b, c))]})
    constant = _add_offset(m, columns, step, border, form.offset(sums), form.bits)
    return compress(m, [columns], form.bits, constant)


def encoded_weights(inverted: BitArray) -> BitArray:
    """Encode v for `stored_lane`; the last axis holds the taps and keeps its length."""
    group = triples(inverted.shape[-1])
    a, b, c = (inverted[..., i * group : (i + 1) * group] for i in range(3))
    return np.concatenate([a ^ b, b ^ c, a ^ b ^ c, inverted[..., 3 * group :]], axis=-1)


def carries(m: Module, taps: Value, rows: Value) -> Value:
    """Return the carries of all groups of three products."""
    a, b, c, _ = split(wire(m, taps ^ rows, "products"))
    return wire(m, majority(a, b, c), "carries")


def _add_offset(m: Module, columns: Columns, step: Value, border: Value, offsets: IntTable, width: int) -> int:
    """Put the offset of step and border into the columns, or return it where it is the same for all."""
    if (offsets == offsets.flat[0]).all():
        return int(offsets.flat[0])
    wrapped = [[int(value) % (1 << width) for value in row] for row in offsets]
    offset = wire(m, lookup(wire(m, Cat(border, step)), [value for row in wrapped for value in row], width))
    add_columns(columns, {bit: [offset[bit : bit + 1]] for bit in range(width)})
    return 0


def _delayed(m: Module, value: Value) -> Signal:
    register = Signal(len(value), name="later_step", reset_less=True)
    m.d.sync += register.eq(value)
    return register
