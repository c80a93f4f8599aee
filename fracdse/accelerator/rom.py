"""Constants in block RAM or in LUT logic, read with one cycle of latency."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.memories import bram_columns


class Rom(wiring.Component):
    """Words of `bits` bits, unsigned; `data` follows `address` by one cycle. Block RAM is split into columns."""

    def __init__(self, words: Sequence[int], bits: int, *, block: bool) -> None:
        self._words = words
        self._bits = bits
        self._block = block
        super().__init__({"address": In(max(1, (len(words) - 1).bit_length())), "data": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        depth = max(2, len(self._words))
        style = "block" if self._block else "logic"
        columns = bram_columns(self._bits, depth) if self._block else (self._bits,)
        start = 0
        values = []
        for column, bits in enumerate(columns):
            init = [(word >> start) & ((1 << bits) - 1) for word in self._words]
            memory = Memory(shape=bits, depth=depth, init=init, attrs={"ram_style": style, "rom_style": style})
            m.submodules[f"column{column}"] = memory
            read = memory.read_port()
            m.d.comb += read.addr.eq(self.address)
            values.append(read.data)
            start += bits
        m.d.comb += self.data.eq(Cat(values))
        return m
