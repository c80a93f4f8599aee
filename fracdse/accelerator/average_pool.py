"""Average of each 2×2 square of pixels of a stream of residual words, as a strided layer's shortcut needs it.

Stream in: `u`; stream out: `x`, one pixel for every four. A memory of half a row of pixels holds the sums; each beat
reads its place, adds and writes back. `u` is always taken: whoever reads `x` must have room for what is on its way
(`latency` beats).
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.storage import Storage, power_of_two_at_least

_ROUNDING = 2


class AveragePool(wiring.Component):
    """(sum of the 2×2 pixels + 2) >> 2 for every value of a stream of `steps` beats a pixel, without back-pressure."""

    latency = 2

    def __init__(self, *, feature_bits: int, lanes: int, steps: int, width: int) -> None:
        self._bits = feature_bits
        self._lanes = lanes
        self._steps = steps
        self._width = width
        words = data.ArrayLayout(signed(feature_bits), lanes)
        super().__init__({"u": In(words), "u_valid": In(1), "x": Out(words), "x_valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        stride = power_of_two_at_least(self._steps)
        sums = data.ArrayLayout(signed(self._bits + 2), self._lanes)
        m.submodules.memory = memory = Storage(
            Shape.cast(sums).width, stride * (self._width // 2), transparent=self._steps == 1
        )
        before = data.View(sums, memory.read_data)
        after = data.View(sums, memory.write_data)

        step = Signal(range(stride))
        column = Signal(range(self._width))
        odd_row = Signal()
        last_step = step == self._steps - 1
        with m.If(self.u_valid):
            m.d.sync += step.eq(step + 1)
            with m.If(last_step):
                m.d.sync += [step.eq(0), column.eq(column + 1)]
                with m.If(column == self._width - 1):
                    m.d.sync += [column.eq(0), odd_row.eq(~odd_row)]
        first = ~odd_row & ~column[0]
        final = odd_row & column[0]

        arrived, was_first, was_final = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        words = Signal.like(self.u, reset_less=True)
        m.d.sync += [arrived.eq(self.u_valid), was_first.eq(first), was_final.eq(final), words.eq(self.u)]
        m.d.comb += [
            memory.read_address.eq(Cat(step[: (stride - 1).bit_length()], column[1:])),
            memory.read_enable.eq(self.u_valid),
            memory.write_enable.eq(arrived),
        ]
        m.d.sync += memory.write_address.eq(memory.read_address)
        for lane in range(self._lanes):
            total = Signal(signed(self._bits + 2), name="total")
            # A sum starts at what rounds the average to nearest, which saves an adder.
            old = Mux(was_first, Const(_ROUNDING, self._bits + 2), before[lane]).as_signed()
            m.d.comb += [total.eq(old + words[lane]), after[lane].eq(total)]
            m.d.sync += self.x[lane].eq(total >> 2)
        m.d.sync += self.x_valid.eq(arrived & was_final)
        return m
