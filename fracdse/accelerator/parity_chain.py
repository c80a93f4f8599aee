"""The first levels of a binary dot product: what weights cannot change is computed once for all lanes.

Of three products a^va, b^vb, c^vc the sum bit is (a^b^c) ^ (va^vb^vc): the activations' parity, shared by all lanes,
and a bit that depends on the weights alone. Only the carry, one LUT6 of three activations and three weight or step
bits, belongs to a lane. The sum bits are products again, of parities, and are taken three at a time in the same way,
until two are left. So n products become about n/2 carries of weight 2 for n/2 LUTs a lane and n/2 LUTs for all lanes
together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value

from fracdse.accelerator.compressor_tree import LEVELS_PER_STAGE
from fracdse.accelerator.sum_format import BitArray


@dataclass(frozen=True)
class ParityChain:
    """The shared parities: levels[i] are the activations of level i, levels[0] the taps themselves."""

    levels: tuple[Value, ...]

    def stage(self, level: int) -> int:
        """Return the register stage in which the carries of a level are computed."""
        return level // LEVELS_PER_STAGE


def triples(size: int) -> int:
    """Return how many groups of three a level of this many bits has; the rest passes on to the next level."""
    return size // 3


def split(bits: Value) -> tuple[Value, Value, Value, Value]:
    """Return the three members of all groups, and the rest."""
    group = triples(len(bits))
    return bits[:group], bits[group : 2 * group], bits[2 * group : 3 * group], bits[3 * group :]


def parity_chain(m: Module, taps: Value) -> ParityChain:
    """Add the parities of all levels to a module, with a register stage behind every `LEVELS_PER_STAGE` of them."""
    levels = [taps]
    while triples(len(levels[-1])):
        a, b, c, rest = split(levels[-1])
        parity = Signal(len(a) + len(rest), name=f"parity{len(levels)}", reset_less=True)
        domain = m.d.comb if len(levels) % LEVELS_PER_STAGE else m.d.sync
        domain += parity.eq(Cat(a ^ b ^ c, rest))
        levels.append(parity)
    return ParityChain(tuple(levels))


def weight_levels(inverted: BitArray) -> list[BitArray]:
    """Return the weights' side of every level; the last axis of `inverted` holds the taps."""
    levels = [inverted]
    while group := triples(levels[-1].shape[-1]):
        bits = levels[-1]
        parity = bits[..., :group] ^ bits[..., group : 2 * group] ^ bits[..., 2 * group : 3 * group]
        levels.append(np.concatenate([parity, bits[..., 3 * group :]], axis=-1))
    return levels
