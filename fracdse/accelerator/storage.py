"""Buffers with one write and one read port, in the memory that `fracdse.memories` says for their size."""

from __future__ import annotations

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.memories import stream_columns


class Storage(wiring.Component):
    """`depth` words of `bits` bits; the word read appears one cycle after `read_enable` and stays.

    A word read in the cycle in which it is written is the old one, or the new one where `transparent`. A word is
    split into columns: one RAMB18 each, and at most one of LUTRAM.
    """

    def __init__(self, bits: int, depth: int, *, transparent: bool = False) -> None:
        self._bits = bits
        self._depth = depth
        self._transparent = transparent
        address = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "write_address": In(address),
                "write_data": In(bits),
                "write_enable": In(1),
                "read_address": In(address),
                "read_enable": In(1),
                "read_data": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        start = 0
        words = []
        for column, (bits, kind) in enumerate(stream_columns(self._bits, self._depth)):
            style = "distributed" if kind == "lutram" else "block"
            memory = Memory(shape=bits, depth=max(2, self._depth), init=[], attrs={"ram_style": style})
            m.submodules[f"column{column}"] = memory
            write = memory.write_port()
            read = memory.read_port(transparent_for=(write,) if self._transparent else ())
            m.d.comb += [
                write.addr.eq(self.write_address),
                write.data.eq(self.write_data[start : start + bits]),
                write.en.eq(self.write_enable),
                read.addr.eq(self.read_address),
                read.en.eq(self.read_enable),
            ]
            words.append(read.data)
            start += bits
        m.d.comb += self.read_data.eq(Cat(words))
        return m


def power_of_two_at_least(value: int) -> int:
    """Return the smallest power of two that is not below a positive value."""
    return 1 << (value - 1).bit_length()
