"""Global average pool: the sum of every channel over a whole feature map, rounded and shifted.

Stream in: `u`, channels/lanes beats a pixel. Stream out: `pooled`, channels/lanes beats a frame, in the same order,
while the frame's last pixel arrives. One beat a cycle, latency 1 cycle; LUT memory holds the sums of the steps.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import feature_stream, lanes_stream


def sum_bits(feature_bits: int, pixels: int) -> int:
    """Return the width of a sum of this many residual words."""
    return feature_bits + (pixels - 1).bit_length()


class GlobalPool(wiring.Component):
    """p = (Σ u over `pixels` pixels + half) >> shift; see the module's description."""

    def __init__(self, schedule: Schedule, *, feature_bits: int, pixels: int, shift: int) -> None:
        self._schedule = schedule
        self._pixels = pixels
        self._shift = shift
        self._sum_bits = sum_bits(feature_bits, pixels)
        # Rounding may carry into one bit more than the shift takes away.
        self.pooled_bits = self._sum_bits + 1 - shift
        super().__init__(
            {
                "u": In(feature_stream(feature_bits, schedule.lanes)),
                "pooled": Out(lanes_stream(signed(self.pooled_bits), schedule.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        lanes, steps = self._schedule.lanes, self._schedule.steps
        accept = Signal()
        m.d.comb += [
            self.u.ready.eq(~self.pooled.valid | self.pooled.ready),
            accept.eq(self.u.valid & self.u.ready),
        ]
        step, last_step = step_counter(m, steps, accept)
        pixel = Signal(range(max(self._pixels, 2)))
        last_pixel = pixel == self._pixels - 1
        with m.If(accept & last_step):
            m.d.sync += pixel.eq(Mux(last_pixel, 0, pixel + 1))
        m.submodules.sums = sums = Memory(
            shape=self._sum_bits * lanes, depth=max(2, steps), init=[], attrs={"ram_style": "distributed"}
        )
        read, write = sums.read_port(domain="comb"), sums.write_port()
        half = (1 << self._shift) >> 1
        totals = []
        for lane in range(lanes):
            before = Mux(pixel == 0, 0, read.data.word_select(lane, self._sum_bits)).as_signed()
            total = Signal(signed(self._sum_bits), name="total")
            m.d.comb += total.eq(before + self.u.payload[lane])
            totals.append(total)
        m.d.comb += [read.addr.eq(step), write.addr.eq(step), write.data.eq(Cat(totals)), write.en.eq(accept)]
        with m.If(self.u.ready):
            m.d.sync += self.pooled.valid.eq(accept & last_pixel)
            m.d.sync += (
                self.pooled.payload[lane].eq((total + half) >> self._shift) for lane, total in enumerate(totals)
            )
        return m
