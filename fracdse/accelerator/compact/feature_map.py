"""The feature map: every residual word of a layer, in two banks of LUT memory for even and odd columns.

A bank has one port, so its users take turns, counted by `turn`. With the post unit's words of even columns at turn 0:

    turn      0                1              2                3
    bank 0    residual read    word write     stem, shortcut   code writer
    bank 1    stem, shortcut   code writer    residual read    word write

The stem's words come every cycle, so it takes the columns of four in the order 0, 2, 1, 3: both banks write in two
turns. No two banks are read in the same turn: `word_read` follows an address by one cycle. Memories are 256 words deep:
what four LUTs hold of a bit without a multiplexer of their own.
"""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.compact_plan import LANES, MAP_PART_WORDS, PHASES, CompactPlan

_CODE_TURNS = (3, 1)
_SHORTCUT_TURNS = (2, 0)


class FeatureMap(wiring.Component):
    """Two banks; see the module's description."""

    def __init__(self, plan: CompactPlan, feature_bits: int) -> None:
        self._plan = plan
        self._bits = LANES * feature_bits
        address = range(plan.bank_words)
        super().__init__(
            {
                "turn": In(range(PHASES)),
                "residual_address": In(address),
                "code_address": In(address),
                "word_read": Out(self._bits),
                "write": In(1),
                "write_odd": In(1),
                "write_address": In(address),
                "write_data": In(self._bits),
                "shortcut_write": In(1),
                "shortcut_odd": In(1),
                "shortcut_address": In(address),
                "shortcut_data": In(self._bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        data = Signal(self._bits)
        shortcuts = [
            self.shortcut_write & (self.shortcut_odd == bank) & (self.turn == _SHORTCUT_TURNS[bank]) for bank in (0, 1)
        ]
        m.d.comb += data.eq(Mux(shortcuts[0] | shortcuts[1], self.shortcut_data, self.write_data))
        (even_words, even_part), (odd_words, odd_part) = (self._bank(m, i, shortcuts[i], data) for i in (0, 1))
        odd = self.turn[0] ^ self.turn[1]
        words = [Mux(odd, high, low) for low, high in zip(even_words, odd_words, strict=True)]
        m.d.sync += self.word_read.eq(Array(words)[Mux(odd, odd_part, even_part)] if len(words) > 1 else words[0])
        return m

    def _bank(self, m: Module, bank: int, shortcut: Value, data: Value) -> tuple[list[Value], Value]:
        """Build one bank; return the words that its parts read, and which part is meant."""
        plan = self._plan
        address, write = Signal(range(plan.bank_words), name=f"address{bank}"), Signal(name=f"write{bank}")
        m.d.comb += write.eq((self.write & (self.write_odd == bank)) | shortcut)
        with m.Switch(self.turn):
            with m.Case(_CODE_TURNS[bank]):
                m.d.comb += address.eq(self.code_address)
            with m.Case(_SHORTCUT_TURNS[bank]):
                m.d.comb += address.eq(Mux(self.shortcut_write, self.shortcut_address, self.write_address))
            with m.Case(2 * bank):
                m.d.comb += address.eq(self.residual_address)
            with m.Default():
                m.d.comb += address.eq(self.write_address)
        inner = address[: (MAP_PART_WORDS - 1).bit_length()]
        parts = -(-plan.bank_words // MAP_PART_WORDS)
        part: Value = address[len(inner) :] if parts > 1 else Const(0)
        words = []
        for index in range(parts):
            depth = min(MAP_PART_WORDS, plan.bank_words - index * MAP_PART_WORDS)
            memory = Memory(shape=self._bits, depth=depth, init=[], attrs={"ram_style": "distributed"})
            m.submodules[f"bank{bank}_{index}"] = memory
            read, port = memory.read_port(domain="comb"), memory.write_port()
            m.d.comb += [
                read.addr.eq(inner),
                port.addr.eq(inner),
                port.data.eq(data),
                port.en.eq(write & (part == index)),
            ]
            words.append(read.data)
        return words, part
