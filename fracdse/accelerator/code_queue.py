"""The codes that wait in front of a convolution, because layers work in bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.stream_fifo import StreamFifo
from fracdse.accelerator.streams import lanes_stream


class CodeQueue(wiring.Component):
    """Put beats of `arriving` codes together to `group` codes, the first in the lowest bits, and queue those.

    Holds `pixels` pixels of `channels` codes and what is being put together. Takes one beat a cycle, and none in the
    cycle in which a group moves on.
    """

    def __init__(self, *, channels: int, arriving: int, group: int, pixels: int) -> None:
        self._arriving, self._group = arriving, group
        self._depth = pixels * channels // group
        super().__init__(
            {"source": In(lanes_stream(unsigned(2), arriving)), "sink": Out(lanes_stream(unsigned(2), group))}
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.fifo = fifo = StreamFifo(data.ArrayLayout(unsigned(2), self._group), self._depth)
        wiring.connect(m, fifo.sink, wiring.flipped(self.sink))
        if self._arriving == self._group:
            wiring.connect(m, wiring.flipped(self.source), fifo.source)
            return m
        beats = self._group // self._arriving
        held = Signal(2 * self._group, reset_less=True)
        count = Signal(range(beats + 1))
        whole = count == beats
        m.d.comb += [
            self.source.ready.eq(~whole),
            fifo.source.valid.eq(whole),
            fifo.source.payload.as_value().eq(held),
        ]
        with m.If(self.source.valid & ~whole):
            m.d.sync += [
                held.eq(Cat(held[2 * self._arriving :], self.source.payload.as_value())),
                count.eq(count + 1),
            ]
        with m.If(whole & fifo.source.ready):
            m.d.sync += count.eq(0)
        return m
