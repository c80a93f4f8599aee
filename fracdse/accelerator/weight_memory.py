"""Read-only memories of encoded weights: block RAM, LUT logic, or both side by side."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from amaranth.hdl import Cat, Module, Value
from amaranth.lib import memory

from fracdse.accelerator.compressor_tree import wire
from fracdse.accelerator.lane_counter import lookup, word
from fracdse.accelerator.sum_format import BitArray
from fracdse.folding import BLOCK_MEMORIES, Memory
from fracdse.memories import bram_columns
from fracdse.mixed_weights import logic_bits


def weight_memory(m: Module, name: str, address: Value, rows: BitArray, kind: Memory) -> Value:
    """Add a read-only memory of encoded weights; its word follows the address by one cycle.

    Args:
        m: Module to add to.
        name: Submodule name, unique in the module.
        address: Row to read.
        rows: Words, of shape (rows, taps).
        kind: `bram` or `mixed` for block RAM, one memory a RAMB18; anything else becomes LUT logic behind a register.
    """
    width = rows.shape[1]
    in_blocks = kind in BLOCK_MEMORIES
    columns = bram_columns(width, len(rows)) if in_blocks else (width,)
    style = "block" if in_blocks else "logic"
    words, first = [], 0
    for column in columns:
        rom = memory.Memory(
            shape=column,
            depth=len(rows),
            init=[word(row) for row in rows[:, first : first + column]],
            attrs={"ram_style": style, "rom_style": style},
        )
        m.submodules[f"{name}_{first}"] = rom
        reading = rom.read_port()
        m.d.comb += [reading.addr.eq(address), reading.en.eq(1)]
        words.append(reading.data)
        first += column
    return wire(m, Cat(*words), name)


@dataclass(frozen=True)
class WeightAddress:
    """What chooses a lane's word: step, and which borders cut off taps; in the cycle of the taps or one before it."""

    border: Value
    step: Value


def mixed_weight_memory(
    m: Module, name: str, early: WeightAddress, address: WeightAddress, rows: BitArray, channels: int
) -> Value:
    """Add a memory whose bits lie where `fracdse.mixed_weights` says.

    Args:
        m: Module to add to.
        name: Beginning of the submodules' names, unique in the module.
        early: What block RAM reads, a cycle before its word.
        address: The same a cycle later: the logic works on registers, in the cycle of the word.
        rows: Words, of shape (steps·2^border_bits, taps), the border running faster.
        channels: Input channels of the layer.
    """
    border = address.border
    borders = 1 << len(border)
    computed = logic_bits(channels, len(border), len(rows) // borders)
    origin: dict[int, Value] = {}
    stored = sorted(set(range(rows.shape[1])) - {bit.place for bit in computed})
    if stored:
        read = weight_memory(m, name, Cat(early.border, early.step), rows[:, stored], "bram")
        origin.update((place, read[position]) for position, place in enumerate(stored))
    for flags, members in groupby(sorted(computed, key=lambda bit: (bit.flags, bit.place)), lambda bit: bit.flags):
        places = [bit.place for bit in members]
        patterns = [sum((code >> i & 1) << flag for i, flag in enumerate(flags)) for code in range(1 << len(flags))]
        chosen = np.concatenate([[start + pattern for pattern in patterns] for start in range(0, len(rows), borders)])
        index = wire(m, Cat(*(border[flag] for flag in flags), address.step), "weight_index")
        table = lookup(index, [word(row) for row in rows[chosen][:, places]], len(places))
        read = wire(m, table, f"{name}_borders{''.join(map(str, flags))}")
        origin.update((place, read[position]) for position, place in enumerate(places))
    return wire(m, Cat(*(origin[place] for place in range(rows.shape[1]))), name)
