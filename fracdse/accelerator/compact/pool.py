"""Global average pool over the last layer's words as they are written: row by row, word of channels by word.

Stream out: `pooled`, one beat a word of channels, with the frame's last pixel; nobody waits, so the sequencer begins no
frame for which its reader has no room. LUT memory holds the sums; each starts with the half that rounds.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.sequencer import word_layout
from fracdse.accelerator.global_pool import sum_bits
from fracdse.accelerator.streams import lanes_stream
from fracdse.compact_plan import LANES, CompactPlan
from fracdse.program.fixed_point import rounding_half


class CompactPool(wiring.Component):
    """p = (Σ u + half) >> shift; see the module's description."""

    def __init__(self, plan: CompactPlan, *, feature_bits: int, shift: int) -> None:
        self._plan = plan
        self._shift = shift
        self._sum_bits = sum_bits(feature_bits, plan.pixels) + 1
        self.pooled_bits = self._sum_bits - shift
        super().__init__(
            {
                "word": In(word_layout(plan)),
                "value": In(data.ArrayLayout(signed(feature_bits), LANES)),
                "pooled": Out(lanes_stream(signed(self.pooled_bits), LANES)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        bits, words = self._sum_bits, self._plan.layers[-1].words
        memory = Memory(shape=bits * LANES, depth=max(2, words), init=[], attrs={"ram_style": "distributed"})
        m.submodules.sums = memory
        read, write = memory.read_port(domain="comb"), memory.write_port()
        valid = self.word.valid & self.word.last_layer
        half = Const(rounding_half(self._shift), bits)
        totals = []
        for lane in range(LANES):
            before = Mux(self.word.first_pixel, half, read.data.word_select(lane, bits)).as_signed()
            total = Signal(signed(bits), name=f"total{lane}")
            m.d.comb += total.eq(before + self.value[lane])
            m.d.sync += self.pooled.payload[lane].eq(total >> self._shift)
            totals.append(total)
        m.d.comb += [
            read.addr.eq(self.word.word),
            write.addr.eq(self.word.word),
            write.data.eq(Cat(totals)),
            write.en.eq(valid),
        ]
        m.d.sync += self.pooled.valid.eq(valid & self.word.last_pixel)
        return m
