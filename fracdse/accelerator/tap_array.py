"""The register window: every tap of the current output element, of one bit plane.

The two planes take turns, so their columns pass through one chain of registers, every second of which belongs to the
plane in use: a shift both advances a plane by one column and swaps the planes, and no multiplexer is needed. Shifts
must therefore alternate strictly between leading and trailing bits.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.window_types import WindowGeometry


class TapArray(wiring.Component):
    """Hold k×k taps over all channels; `taps` is ordered column, row, channel, the channel running fastest.

    A beat of `column` goes in where `shift` is set, and `taps` shows it in the next cycle.
    """

    def __init__(self, geometry: WindowGeometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "shift": In(1),
                "row_start": In(1),
                "column": In(geometry.column_bits),
                "taps": Out(geometry.taps),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Chain the registers."""
        m = Module()
        if self.geometry.kernel == 1:
            m.d.comb += self.taps.eq(self._register(m, self.column, "only"))
        elif self.geometry.stride == 1:
            chain = [self.column]
            for position in range(5):
                chain.append(self._register(m, chain[-1], f"chain{position}"))
            m.d.comb += self.taps.eq(Cat(chain[5], chain[3], chain[1]))
        else:
            size = self.geometry.column_bits // 2
            centre = self._register(m, self.column[:size], "centre")
            right = self._register(m, self.column[size:], "right")
            other = self._register(m, right, "other")
            left = self._register(m, other, "left")
            with m.If(self.shift & self.row_start):
                m.d.sync += left.eq(0)
            m.d.comb += self.taps.eq(Cat(left, centre, right))
        return m

    def _register(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal(len(value), name=name)
        with m.If(self.shift):
            m.d.sync += register.eq(value)
        return register
