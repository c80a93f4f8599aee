"""A FIFO between two units that work in bursts."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.storage import Storage, power_of_two_at_least


class StreamFifo(wiring.Component):
    """FIFO of at least `depth` beats (a power of two) and one more at the output; `source.ready` is a register's.

    One beat a cycle; latency 2 cycles.
    """

    def __init__(self, payload: ShapeLike, depth: int) -> None:
        self._bits = Shape.cast(payload).width
        self.depth = power_of_two_at_least(max(2, depth))
        super().__init__({"source": In(stream.Signature(payload)), "sink": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.memory = memory = Storage(self._bits, self.depth)
        used = Signal(range(self.depth + 1))
        put, take = Signal(), Signal()
        m.d.comb += [
            self.source.ready.eq(used != self.depth),
            put.eq(self.source.valid & self.source.ready),
            take.eq((used != 0) & (~self.sink.valid | self.sink.ready)),
            memory.write_data.eq(self.source.payload),
            memory.write_enable.eq(put),
            memory.read_enable.eq(take),
            self.sink.payload.eq(memory.read_data),
        ]
        m.d.sync += [
            used.eq(used + put - take),
            memory.write_address.eq(memory.write_address + put),
            memory.read_address.eq(memory.read_address + take),
        ]
        with m.If(take | self.sink.ready):
            m.d.sync += self.sink.valid.eq(take)
        return m
