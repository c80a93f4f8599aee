"""Weights of a compact accelerator: their order in memory, and the parities that lanes need of them.

A memory word is one lane's weights for one block: a bit a tap, 1 for −1, tap (row·3 + column)·group + channel. Words
follow each other in the order of the blocks of a row: layer, word of output channels, group, lane. What a group lacks
in channels is filled with zeros, and so are the codes there: such products count nothing.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value

from fracdse.accelerator.lane_counter import word
from fracdse.accelerator.parity_chain import split, triples
from fracdse.compact_plan import KERNEL, LANES, CompactPlan
from fracdse.program.model import BoolArray, Program, SignArray


def weight_words(program: Program, plan: CompactPlan) -> list[int]:
    """Return all memory words."""
    colours, levels, group = plan.colours, plan.levels, plan.group
    stem = program.stem.weight.reshape(-1, colours, levels, KERNEL, KERNEL)
    filled = np.ones((len(stem), colours, -(-levels // group) * group, KERNEL, KERNEL), np.int8)
    filled[:, :, :levels] = stem
    words = _layer_words(filled.reshape(len(stem), -1, KERNEL, KERNEL), np.zeros(filled[0].size // 9, bool), group)
    for layer in program.convs:
        words += _layer_words(layer.weight, layer.descending, group)
    return words


def _layer_words(weight: SignArray, negated: BoolArray, group: int) -> list[int]:
    """Return a layer's words; a descending channel's code is 3 − k, which negates its digits: its weights are."""
    inverted = (weight < 0) ^ negated[None, :, None, None]
    channels, inputs = inverted.shape[:2]
    ordered = inverted.reshape(channels // LANES, LANES, inputs // group, group, KERNEL * KERNEL)
    ordered = ordered.transpose(0, 2, 1, 4, 3).reshape(-1, KERNEL * KERNEL * group)
    return [word(bits) for bits in ordered]


def level_sizes(taps: int) -> list[int]:
    """Return the bits of every level of `fracdse.accelerator.parity_chain` over this many taps."""
    sizes = [taps]
    while triples(sizes[-1]):
        sizes.append(sizes[-1] - 2 * triples(sizes[-1]))
    return sizes


def weight_parities(m: Module, weights: Value) -> Value:
    """Return the weights and, behind them, their parities of all levels."""
    levels = [weights]
    while triples(len(levels[-1])):
        a, b, c, rest = split(levels[-1])
        parity = Signal(len(a) + len(rest), name=f"weight_parity{len(levels)}")
        m.d.comb += parity.eq(Cat(a ^ b ^ c, rest))
        levels.append(parity)
    return Cat(*levels)
