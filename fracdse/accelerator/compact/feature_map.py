"""The feature map: every residual word of a layer, in two banks of LUT memory for even and odd columns.

A bank has one port, so its users take turns, counted by `turn`. With the post unit's words of even columns at turn 0:

    turn      0                1             2                3
    bank 0    residual read    word write    code reader      stem's word, shortcut
    bank 1    stem's word,     code reader   residual read,   word write
              shortcut                       stem's word

A word is read and written in the same cycle; `residual` and `word_read` follow an address by one cycle. Memories are
256 words deep: what four LUTs hold of a bit without a multiplexer of their own.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.plan import LANES, CompactPlan
from fracdse.accelerator.compact.sequencer import PHASES

CODE_TURNS = (2, 1)
"""The turn in which each bank is the code reader's."""

SHORTCUT_TURNS = (3, 0)
"""The turn in which a pooled shortcut is written to each bank."""

_PART_WORDS = 256


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
                "residual_odd": In(1),
                "residual": Out(self._bits),
                "write": In(1),
                "write_odd": In(1),
                "write_address": In(address),
                "write_data": In(self._bits),
                "read_address": In(address),
                "word_read": Out(self._bits),
                "shortcut_write": In(1),
                "shortcut_odd": In(1),
                "shortcut_address": In(address),
                "shortcut_data": In(self._bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        banks = [self._bank(m, bank) for bank in (0, 1)]
        m.d.sync += self.residual.eq(Array(banks)[self.residual_odd])
        is_code_turn = Array([self.turn == turn for turn in CODE_TURNS])
        with m.If(is_code_turn[0] | is_code_turn[1]):
            m.d.sync += self.word_read.eq(Array(banks)[is_code_turn[1]])
        return m

    def _bank(self, m: Module, bank: int) -> Value:
        """Build one bank and return the word that it reads."""
        plan = self._plan
        write, shortcut, address = Signal(name=f"write{bank}"), Signal(name=f"shortcut{bank}"), Signal(range(plan.bank_words))
        data = Signal(self._bits, name=f"data{bank}")
        m.d.comb += [
            write.eq(self.write & (self.write_odd == bank)),
            shortcut.eq(self.shortcut_write & (self.shortcut_odd == bank) & (self.turn == SHORTCUT_TURNS[bank])),
            address.eq(
                Mux(
                    write,
                    self.write_address,
                    Mux(
                        self.turn == CODE_TURNS[bank],
                        self.read_address,
                        Mux(shortcut, self.shortcut_address, self.residual_address),
                    ),
                )
            ),
            data.eq(Mux(shortcut, self.shortcut_data, self.write_data)),
        ]
        parts = -(-plan.bank_words // _PART_WORDS)
        inner = address[: (_PART_WORDS - 1).bit_length()]
        part = address[len(inner) :]
        words = []
        for index in range(parts):
            depth = min(_PART_WORDS, plan.bank_words - index * _PART_WORDS)
            memory = Memory(shape=self._bits, depth=depth, init=[], attrs={"ram_style": "distributed"})
            m.submodules[f"bank{bank}_{index}"] = memory
            read, port = memory.read_port(domain="comb"), memory.write_port()
            m.d.comb += [
                read.addr.eq(inner),
                port.addr.eq(inner),
                port.data.eq(data),
                port.en.eq((write | shortcut) & (part == index)),
            ]
            words.append(read.data)
        return Array(words)[part] if parts > 1 else words[0]
