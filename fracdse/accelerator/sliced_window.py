"""The window of a lane that works through its taps slice by slice: three rows in LUT memory, read where they lie.

A word holds the three rows of some channels (a group) of one column and one bit plane: the taps of one slice. A pixel
that arrives moves its column up: each of its words is read, loses its oldest row, gains the new one and is written
back, in one cycle, while the lane pauses. So there is neither a register window nor a multiplexer in front of the
lane, and nothing need be cleared: rows outside the image are masked behind the products, columns are not visited.

Stride 1: row r of outputs follows the pixels of row r + 1; the last one follows the first row of the next frame where
that has begun to arrive before the lane runs out of work, and a row of blanks where it has not. Stride 2: an output
follows every second pixel of every second row. Pixels run ahead of the lane as long as they leave the columns alone
that it still needs: almost a row.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.counters import count_up_down
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.window_types import WindowGeometry

PLANES = 2


def index_bits(count: int) -> int:
    """Return the bits of an index below `count`, at least one."""
    return max(1, (count - 1).bit_length())


class SlicedWindow(wiring.Component):
    """Hold the rows and say which outputs can be computed.

    activations: `codes` codes a beat in the order of the producer's schedule, or the channels of a whole pixel. column,
    group, plane: the word to read, combinationally, into `taps` (row, then channel); not while `busy`. pending: an
    output, the next in raster order, can be computed; `done` goes on to the one after it. border: its flags (top, left,
    bottom, right); first_column: its left column.
    """

    def __init__(self, geometry: WindowGeometry, groups: int, codes: int) -> None:
        self.geometry, self.groups, self.codes = geometry, groups, codes
        self.size = geometry.channels // groups
        self.column_bits = index_bits(geometry.width)
        super().__init__(
            {
                "activations": In(lanes_stream(unsigned(2), codes)),
                "column": In(self.column_bits),
                "group": In(index_bits(groups)),
                "plane": In(1),
                "taps": Out(3 * self.size),
                "busy": Out(1),
                "pending": Out(1),
                "done": In(1),
                "border": Out(4),
                "first_column": Out(self.column_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build memory, arrival of pixels, and the positions of pixels and outputs."""
        m = Module()
        self._row = Signal(range(self.geometry.height + 1))
        self._column = Signal(range(self.geometry.width + 1))
        self._group, self._plane = Signal(index_bits(self.groups)), Signal()
        self._blank, self._may_shift = Signal(), Signal()
        self._ready = Signal(range(self.geometry.width + 2))
        shift, word, last = Signal(), Signal(self.size), Signal()
        waiting, available, take = self._arrival(m, word, last & shift)
        m.d.comb += last.eq((self._group == self.groups - 1) & self._plane)
        blank, pad = self._rows(m, waiting, shift)
        advance = Signal()
        m.d.comb += [
            shift.eq(~pad & (blank | available) & self._may_shift),
            take.eq(shift & self._plane & ~blank),
            advance.eq(pad | (shift & last)),
            self.busy.eq(shift),
        ]
        with m.If(shift):
            m.d.sync += self._plane.eq(~self._plane)
            with m.If(self._plane):
                m.d.sync += self._group.eq(Mux(last, 0, self._group + 1))
        self._positions(m, advance, pad, blank)
        self._memory(m, shift, word)
        return m

    def _memory(self, m: Module, shift: Value, word: Value) -> None:
        """Read a slice, or move a column up."""
        bits = self.column_bits
        # A lone group needs no address bit.
        own = Cat(self._column[:bits], self._plane, *([self._group] if self.groups > 1 else []))
        asked = Cat(self.column, self.plane, *([self.group] if self.groups > 1 else []))
        m.submodules.rows = rows = memory.Memory(shape=3 * self.size, depth=1 << len(own), init=[])
        reading, writing = rows.read_port(domain="comb"), rows.write_port()
        m.d.comb += [
            reading.addr.eq(Mux(shift, own, asked)),
            writing.addr.eq(own),
            writing.data.eq(Cat(reading.data[self.size :], word)),
            writing.en.eq(shift),
            self.taps.eq(reading.data),
        ]

    def _arrival(self, m: Module, word: Signal, pixel_taken: Value) -> tuple[Value, Value, Signal]:
        """Offer the next group of channels; return: anything has come, a group is there, and its strobe to fill in."""
        take = Signal()
        codes = self.activations.payload.as_value()
        if self.codes == self.geometry.channels and self.groups > 1:
            planes = [Cat(codes[bit::2]) for bit in (1, 0)]
            words = [
                Mux(self._plane, planes[1], planes[0])[g * self.size : (g + 1) * self.size] for g in range(self.groups)
            ]
            m.d.comb += [word.eq(select(self._group, words)), self.activations.ready.eq(pixel_taken & ~self._blank)]
            return self.activations.valid, self.activations.valid, take
        beats = self.size // self.codes
        held = [Signal(self.size, name=f"plane{plane}", reset_less=True) for plane in range(PLANES)]
        count = Signal(range(beats + 1))
        full = count == beats
        m.d.comb += [self.activations.ready.eq(~full), word.eq(Mux(self._plane, held[1], held[0]))]
        with m.If(self.activations.valid & ~full):
            m.d.sync += count.eq(count + 1)
            for plane, bit in enumerate((1, 0)):
                m.d.sync += held[plane].eq(Cat(held[plane][self.codes :], codes[bit::2]))
        with m.If(take):
            m.d.sync += count.eq(0)
        return (count != 0) | self.activations.valid, full, take

    def _rows(self, m: Module, waiting: Value, shift: Value) -> tuple[Value, Value]:
        """Return whether this position's pixel is a blank one below the image, and whether it is right of the image."""
        if self.geometry.stride == 2:
            return Const(0, 1), Const(0, 1)
        flush, pad = self._row == self.geometry.height, self._column == self.geometry.width
        undecided = (self._column == 0) & (self._group == 0) & ~self._plane
        blank = Signal()
        m.d.comb += blank.eq(flush & Mux(undecided, ~waiting & (self._ready == 0), self._blank))
        with m.If(shift):
            m.d.sync += self._blank.eq(blank)
        return blank, pad

    def _positions(self, m: Module, advance: Value, pad: Value, blank: Value) -> None:
        """Scan pixels and outputs; count the outputs that are ready."""
        height, width, stride = self.geometry.height, self.geometry.width, self.geometry.stride
        row, column = self._row, self._column
        computes, row_ends, follows = row != 0, pad, column != 0
        if stride == 2:
            computes, row_ends, follows = row[0], column == width - 1, column[0]
        ready, pixel_tag, output_tag = self._ready, Signal(), Signal()
        with m.If(advance):
            m.d.sync += column.eq(Mux(row_ends, 0, column + 1))
            with m.If(row_ends):
                m.d.sync += pixel_tag.eq(pixel_tag ^ computes)
                if stride == 2:
                    m.d.sync += row.eq(Mux(row == height - 1, 0, row + 1))
                else:
                    m.d.sync += row.eq(Mux(row == height, ~self._blank, row + 1))
        enabled = advance & computes & follows
        count_up_down(m, ready, enabled, self.done)
        centre, out_row = self._output(m, output_tag)
        # Outputs go on and never take this back; only the next column has to be asked for anew.
        free = (ready == 0) | (pixel_tag == output_tag) | (column + 1 < centre)
        m.d.sync += self._may_shift.eq(free & ~advance)
        m.d.comb += [
            self.pending.eq(ready != 0),
            self.first_column.eq((centre - 1)[: self.column_bits]),
            self.border.eq(
                Cat(
                    out_row == 0,
                    centre == 0,
                    (out_row == height - 1) if stride == 1 else 0,
                    (centre == width - 1) if stride == 1 else 0,
                )
            ),
        ]

    def _output(self, m: Module, tag: Signal) -> tuple[Signal, Signal]:
        """Scan the outputs; return column and row of the centre of the next one."""
        height, width, stride = self.geometry.height, self.geometry.width, self.geometry.stride
        row, column = Signal(range(height)), Signal(range(width + 1))
        with m.If(self.done):
            m.d.sync += column.eq(column + stride)
            with m.If(column == width - stride):
                m.d.sync += [column.eq(0), tag.eq(~tag), row.eq(Mux(row == height - stride, 0, row + stride))]
        return column, row


def select(index: Value, words: list[Value]) -> Value:
    """Return the word at an index; the last one stands for all beyond it."""
    if len(words) == 1:
        return words[0]
    half = 1 << (len(index) - 1)
    if len(words) <= half:
        return select(index[:-1], words)
    return Mux(index[-1], select(index[:-1], words[half:]), select(index[:-1], words[:half]))
