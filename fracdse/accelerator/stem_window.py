"""3×3 window over a stream of pixels in raster order, with a border of one constant pixel all round.

Stream in: `pixels`. Stream out: `window`, tap 3·row + column, one beat an output pixel. The unit scans one column and
one row past the image to make the right and lower border; frames follow each other without a gap. One scan position a
cycle.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.storage import Storage


class StemWindow(wiring.Component):
    """Window of pixels of `bits` bits over height×width images; `border` is the pixel outside.

    Output pixels are those at multiples of `stride`.
    """

    def __init__(self, *, bits: int, height: int, width: int, stride: int, border: int) -> None:
        self._bits = bits
        self._height = height
        self._width = width
        self._stride = stride
        self._border = border
        super().__init__(
            {
                "pixels": In(stream.Signature(bits)),
                "window": Out(stream.Signature(data.ArrayLayout(bits, 9))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        row = Signal(range(self._height + 1))
        column = Signal(range(self._width + 1))
        outside = Signal()
        advance = Signal()
        m.d.comb += [
            outside.eq((row == self._height) | (column == self._width)),
            advance.eq((outside | self.pixels.valid) & (~self.window.valid | self.window.ready)),
            self.pixels.ready.eq(~outside & (~self.window.valid | self.window.ready)),
        ]
        next_column = Signal(range(self._width + 1))
        m.d.comb += next_column.eq(Mux(column == self._width, 0, column + 1))
        with m.If(advance):
            m.d.sync += column.eq(next_column)
            with m.If(column == self._width):
                m.d.sync += row.eq(Mux(row == self._height, 0, row + 1))

        above, two_above = self._lines(m, column, next_column, advance, outside)
        border = Const(self._border, self._bits)
        beside = column == self._width
        rows = [
            Mux((row <= 1) | beside, border, two_above),
            Mux((row == 0) | beside, border, above),
            Mux(outside, border, self.pixels.payload),
        ]
        taps = self.window.payload
        with m.If(advance):
            for i, new in enumerate(rows):
                m.d.sync += [
                    taps[3 * i].eq(taps[3 * i + 1]),
                    taps[3 * i + 1].eq(taps[3 * i + 2]),
                    taps[3 * i + 2].eq(new),
                ]
        inside = (row != 0) & (column != 0)
        if self._stride == 2:
            inside = row[0] & column[0]
        with m.If(~self.window.valid | self.window.ready):
            m.d.sync += self.window.valid.eq(advance & inside)
        return m

    def _lines(
        self, m: Module, column: Value, next_column: Value, advance: Value, outside: Value
    ) -> tuple[Value, Value]:
        """Return the pixels one and two rows above; the memory is read one position ahead."""
        size = self._bits
        m.submodules.lines = lines = Storage(2 * size, self._width)
        m.d.comb += [
            lines.write_address.eq(column),
            lines.write_data.eq(Cat(self.pixels.payload, lines.read_data[:size])),
            lines.write_enable.eq(advance & ~outside),
            lines.read_address.eq(next_column),
            lines.read_enable.eq(advance),
        ]
        return lines.read_data[:size], lines.read_data[size:]
