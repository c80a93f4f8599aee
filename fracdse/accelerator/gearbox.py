"""32-bit words of packed bytes to pixels.

Stream in: `words`, the first byte in bits 7…0, a frame padded to whole words. Stream out: `pixels`, one colour a byte.
Up to one pixel a cycle; 4 / colours pixels a word. The bytes that pad the end of a frame are dropped.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.streams import lanes_stream

WORD_BYTES = 4


class Gearbox(wiring.Component):
    """Cut words into pixels of `colours` bytes, `pixels` a frame; `frame_taken` strobes with a frame's last word."""

    def __init__(self, *, colours: int, pixels: int) -> None:
        self._colours = colours
        self._pixels = pixels
        self.frame_words = -(-pixels * colours // WORD_BYTES)
        super().__init__(
            {
                "words": In(stream.Signature(8 * WORD_BYTES)),
                "pixels": Out(lanes_stream(8, colours)),
                "frame_taken": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        colours = self._colours
        capacity = colours - 1 + WORD_BYTES
        buffer = Signal(8 * capacity, reset_less=True)
        held = Signal(range(capacity + 1))
        rest = Signal(range(capacity + 1))
        left = Signal(range(self._pixels + 1), init=self._pixels)
        words_left = Signal(range(self.frame_words + 1), init=self.frame_words)
        given, taken, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            self.pixels.valid.eq(held >= colours),
            self.pixels.payload.eq(buffer[: 8 * colours]),
            given.eq(self.pixels.valid & self.pixels.ready),
            ends.eq(given & (left == 1)),
            rest.eq(Mux(given, held - colours, held)),
            # A frame's last bytes leave before the next frame's first word comes: nothing is mixed.
            self.words.ready.eq((words_left != 0) & (rest < colours)),
            taken.eq(self.words.valid & self.words.ready),
            self.frame_taken.eq(taken & (words_left == 1)),
        ]
        kept = Signal.like(buffer, name="kept")
        m.d.comb += kept.eq(Mux(given, buffer >> (8 * colours), buffer))
        with m.If(given | taken):
            m.d.sync += [buffer.eq(kept), held.eq(rest)]
        with m.If(taken):
            m.d.sync += [held.eq(rest + WORD_BYTES), words_left.eq(words_left - 1)]
            with m.Switch(rest):
                for bytes_held in range(colours):
                    with m.Case(bytes_held):
                        m.d.sync += buffer[8 * bytes_held : 8 * (bytes_held + WORD_BYTES)].eq(self.words.payload)
        with m.If(given):
            m.d.sync += left.eq(left - 1)
        with m.If(ends):
            m.d.sync += [held.eq(0), left.eq(self._pixels), words_left.eq(self.frame_words)]
        return m
