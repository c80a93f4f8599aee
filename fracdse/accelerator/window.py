"""Line buffers: a raster stream of pixels in, columns of three pixels (or single ones) out.

The row before and the one before that live in LUT memory, which is read before it is written at the position of the
pixel that arrives, so that a column of three rows is complete at once. Rows outside the image are cleared.
Where a pixel may take two cycles (`relaxed`), both rows share one memory and are read in turn, and the new
pixel replaces the older row's: half the memory, as small ones are never narrower than 32 words deep. Otherwise
both rows are one word.

Stride 1: output row r leaves while input row r + 1 arrives, one column a cycle, followed by one column of zeros that is
the right border of this row and the left border of the next. The last output row leaves together with the first input
row of the next frame where that has begun to arrive, and by itself where it has not: frames follow each other without a
gap, and the last frame never waits for another. Stride 2: two columns a beat, every second row. Latency: one
cycle after the pixel.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compressor_tree import wire
from fracdse.accelerator.streams import code_stream
from fracdse.accelerator.window_types import WindowGeometry


class Window(wiring.Component):
    """Turn pixels into the columns that a `TapArray` shifts in.

    activations: one pixel a beat in raster order, two bits a channel. columns: `WindowGeometry.column_layout`.
    """

    def __init__(self, geometry: WindowGeometry, *, relaxed: bool = False) -> None:
        self.geometry, self.relaxed = geometry, relaxed and geometry.kernel == 3
        super().__init__(
            {
                "activations": In(code_stream(geometry.channels)),
                "columns": Out(stream.Signature(geometry.column_layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Choose the form that kernel and stride ask for."""
        m = Module()
        self._free = Signal()
        self._emit = Signal()
        self._fetched = Signal(init=not self.relaxed)
        self._row_written = Signal()
        m.d.comb += self._free.eq(~self.columns.valid | self.columns.ready)
        with m.If(self._free):
            m.d.sync += self.columns.valid.eq(self._emit)
        codes = self.activations.payload.as_value()
        self._pixel = wire(m, Cat(codes[0::2], codes[1::2]), "pixel")
        self._row, self._column = Signal(range(self.geometry.height + 1)), Signal(range(self.geometry.width + 1))
        if self.geometry.kernel == 1:
            self._pixels_only(m)
        elif self.geometry.stride == 1:
            self._every_row(m)
        else:
            self._row_pairs(m)
        return m

    def _every_row(self, m: Module) -> None:
        """Kernel 3, stride 1."""
        height, width = self.geometry.height, self.geometry.width
        row, column = self._row, self._column
        first, flush, pad = row == 0, row == height, column == width
        merged, merging = Signal(), Signal()
        m.d.comb += merging.eq(Mux(column == 0, self.activations.valid, merged))
        take, advance = Signal(), Signal()
        m.d.comb += [
            take.eq(~pad & (~flush | merging)),
            advance.eq((~take | self.activations.valid) & (first | self._free) & self._fetched),
            self._emit.eq(advance & ~first),
            self.activations.ready.eq(take & (first | self._free) & self._fetched),
            self._row_written.eq(advance & take & (column == width - 1)),
        ]
        older = self._lines(m, advance, advance & take)
        top = row == 1
        with m.If(self._emit):
            border = Cat(top, column == 1, flush, pad)
            self._load(
                m,
                [(older[1], older[0], self._pixel)],
                compute=column != 0,
                row_start=column == 0,
                row_end=pad,
                border=border,
            )
        for position, outside in enumerate((top | pad, pad, flush | pad)):
            self._clear(m, position, self._emit & outside)
        with m.If(advance):
            m.d.sync += [column.eq(column + 1), merged.eq(merging)]
            with m.If(pad | (first & (column == width - 1))):
                m.d.sync += [column.eq(0), row.eq(Mux(flush, merged, row + 1))]

    def _row_pairs(self, m: Module) -> None:
        """Kernel 3, stride 2: height and width are even."""
        row, column = self._row, self._column
        wanted = row[0] & column[0]
        advance = self._raster(m, wanted)
        older = self._lines(m, advance, advance)
        top = row == 1
        rows = older[1], older[0], self._pixel
        held = Signal(len(Cat(*rows)), reset_less=True)
        with m.If(advance):
            m.d.sync += held.eq(Cat(*rows))
        size = len(self._pixel)
        held_rows = tuple(held[i * size : (i + 1) * size] for i in range(3))
        with m.If(self._emit):
            last = column == self.geometry.width - 1
            start = column == 1
            self._load(m, [held_rows, rows], compute=Const(1), row_start=start, row_end=last, border=Cat(top, start))
        for position in (0, 3):
            self._clear(m, position, self._emit & top)

    def _pixels_only(self, m: Module) -> None:
        """Kernel 1: pass on the pixels that the stride visits."""
        wanted: Value = Const(1)
        if self.geometry.stride == 2:
            wanted = ~self._row[0] & ~self._column[0]
        self._raster(m, wanted)
        with m.If(self._emit):
            one = Const(1)
            self._load(m, [(self._pixel,)], compute=one, row_start=one, row_end=one, border=Const(0, 0))

    def _raster(self, m: Module, wanted: Value) -> Signal:
        """Take pixels in raster order; emit at the `wanted` ones. Return the strobe of a pixel taken."""
        advance = Signal()
        m.d.comb += [
            self.activations.ready.eq((~wanted | self._free) & self._fetched),
            self._row_written.eq(advance & (self._column == self.geometry.width - 1)),
            advance.eq(self.activations.valid & self.activations.ready),
            self._emit.eq(advance & wanted),
        ]
        with m.If(advance):
            m.d.sync += self._column.eq(self._column + 1)
            with m.If(self._column == self.geometry.width - 1):
                m.d.sync += [self._column.eq(0), self._row.eq(self._row + 1)]
                with m.If(self._row == self.geometry.height - 1):
                    m.d.sync += self._row.eq(0)
        return advance

    def _lines(self, m: Module, advance: Value, write: Value) -> tuple[Value, Value]:
        """Return the pixels one and two rows above the current position; move the rows up on `write`."""
        if self.relaxed:
            return self._shared_lines(m, advance, write)
        size = len(self._pixel)
        m.submodules.lines = lines = memory.Memory(shape=2 * size, depth=self.geometry.width, init=[])
        reading, writing = lines.read_port(domain="comb"), lines.write_port()
        m.d.comb += [
            reading.addr.eq(self._column),
            writing.addr.eq(self._column),
            writing.data.eq(Cat(self._pixel, reading.data[:size])),
            writing.en.eq(write),
        ]
        return reading.data[:size], reading.data[size:]

    def _shared_lines(self, m: Module, advance: Value, write: Value) -> tuple[Value, Value]:
        """Do the same in two cycles a pixel: fetch the row above, then read and replace the one above it."""
        bits = max(1, (self.geometry.width - 1).bit_length())
        m.submodules.lines = lines = memory.Memory(shape=len(self._pixel), depth=2 << bits, init=[])
        reading, writing = lines.read_port(domain="comb"), lines.write_port()
        oldest = Signal()
        above = Signal(len(self._pixel), reset_less=True)
        m.d.comb += [
            reading.addr.eq(Cat(self._column[:bits], oldest ^ ~self._fetched)),
            writing.addr.eq(Cat(self._column[:bits], oldest)),
            writing.data.eq(self._pixel),
            writing.en.eq(write),
        ]
        m.d.sync += self._fetched.eq(~advance)
        with m.If(~self._fetched):
            m.d.sync += above.eq(reading.data)
        with m.If(self._row_written):
            m.d.sync += oldest.eq(~oldest)
        return above, reading.data

    def _load(
        self,
        m: Module,
        columns: list[tuple[Value, ...]],
        *,
        compute: Value,
        row_start: Value,
        row_end: Value,
        border: Value,
    ) -> None:
        """Register one beat of columns."""
        channels = self.geometry.channels
        out = self.columns.p
        pixels = [pixel for rows in columns for pixel in rows]
        m.d.sync += [
            out.lsb.eq(Cat(pixel[:channels] for pixel in pixels)),
            out.msb.eq(Cat(pixel[channels:] for pixel in pixels)),
            out.compute.eq(compute),
            out.row_start.eq(row_start),
            out.row_end.eq(row_end),
            out.border.eq(border),
        ]

    def _clear(self, m: Module, position: int, outside: Value) -> None:
        """Load zeros in place of one pixel of the beat: a synchronous reset, which takes no LUT."""
        channels = self.geometry.channels
        bits = slice(position * channels, (position + 1) * channels)
        with m.If(outside):
            m.d.sync += [self.columns.p.lsb[bits].eq(0), self.columns.p.msb[bits].eq(0)]
