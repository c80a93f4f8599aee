"""A gated convolution that computes all its channels at once, for layers of at most two beats a pixel.

The weights are part of the logic (`constant_counter`), which is cheaper for few channels than lanes that change
weights, and makes both passes one cycle long: a column costs two cycles, whatever the gates, and a pixel's trailing
sums are computed once for all channels and added where the gate is open. The sums leave in beats of `lanes`
channels, two of which fill the time.

Timing: leading pass, trailing pass, and after the latency of the adder tree, in the cycle of the trailing sums, the
first beat enters the output queue; the second follows. A pixel starts only where the queue has room, so the tree
never stalls.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.comparison import at_least
from fracdse.accelerator.compressor_tree import compress, wire
from fracdse.accelerator.constant_counter import constant_counters
from fracdse.accelerator.lane_queue import lane_queue
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.sum_collector import gated_sum
from fracdse.accelerator.sum_format import border_sums, inverted_weights, padded_taps, sum_format
from fracdse.accelerator.tap_array import TapArray
from fracdse.accelerator.window_types import WindowGeometry
from fracdse.program.model import GatedConvProgram

UNROLLED_STEPS = 2
_PIXEL_SLOTS = 16


class UnrolledEngine(wiring.Component):
    """Compute y from columns; ports as in `GatedConv`, which owns the window."""

    def __init__(self, geometry: WindowGeometry, program: GatedConvProgram, schedule: Schedule, y_bits: int) -> None:
        self.geometry, self.program, self.schedule, self.y_bits = geometry, program, schedule, y_bits
        self.inverted = inverted_weights(program, schedule)
        self.border_sums = border_sums(self.inverted, padded_taps(geometry))
        self.form = sum_format(self.border_sums, geometry.taps)
        super().__init__(
            {
                "columns": In(stream.Signature(geometry.column_layout)),
                "sums": Out(lanes_stream(signed(y_bits), schedule.lanes)),
                "open_gates": Out(schedule.channels.bit_length()),
                "open_gates_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Alternate the planes, count, and join the sums."""
        m = Module()
        trailing, shift, room, popped = Signal(), Signal(), Signal(), Signal()
        column = self.columns.p
        m.submodules.taps = taps = TapArray(self.geometry)
        m.d.comb += [
            shift.eq(trailing | (self.columns.valid & (~column.compute | room))),
            self.columns.ready.eq(trailing),
            taps.shift.eq(shift),
            taps.row_start.eq(column.row_start),
            taps.column.eq(Mux(trailing, column.lsb, column.msb)),
        ]
        m.d.sync += trailing.eq(shift & ~trailing)
        started = shift & ~trailing & column.compute
        self._room(m, room, started, popped)
        border = Signal(self.geometry.border_bits, name="window_border", reset_less=True)
        m.d.sync += border.eq(column.border)
        counted = constant_counters(m, taps.taps, border, self.inverted, self.border_sums, self.form)
        arrives = started
        for _ in range(counted[0].latency + 1):
            arrives = self._tag(m, arrives)
        self._join(m, arrives, [count.value for count in counted], popped)
        return m

    def _room(self, m: Module, room: Value, started: Value, popped: Value) -> None:
        """Count the pixels between their leading pass and the end of the output queue."""
        used = Signal(range(_PIXEL_SLOTS + 1))
        m.d.sync += used.eq(used + started - popped)
        m.d.comb += room.eq(used != _PIXEL_SLOTS)

    def _join(self, m: Module, leading_arrives: Value, counts: list[Value], popped: Value) -> None:
        """Keep the leading sums for the cycle of the trailing ones and queue the beats of both."""
        channels, lanes, bits = self.schedule.channels, self.schedule.lanes, self.form.bits
        leading = [Signal(bits, name=f"leading{i}", reset_less=True) for i in range(channels)]
        gates = Signal(channels, reset_less=True)
        thresholds = self.form.threshold(self.program.gate_threshold[list(self.schedule.order)])
        with m.If(leading_arrives):
            m.d.sync += [kept.eq(count) for kept, count in zip(leading, counts, strict=True)]
            m.d.sync += [
                gates[i].eq(at_least(count, int(threshold)))
                for i, (count, threshold) in enumerate(zip(counts, thresholds, strict=True))
            ]
        trailing_arrives = self._tag(m, leading_arrives)
        self._statistics(m, gates, trailing_arrives)
        if self.schedule.steps == 1:
            beat = [gated_sum(leading[i], counts[i], gates[i], self.form, self.y_bits) for i in range(lanes)]
            self._output(m, trailing_arrives, beat, popped)
            return
        second = self._tag(m, trailing_arrives)
        held = [Signal(bits, name=f"held{i}", reset_less=True) for i in range(lanes)]
        m.d.sync += [kept.eq(count) for kept, count in zip(held, counts[lanes:], strict=True)]
        beat = []
        for i in range(lanes):
            early, late, gate = (
                wire(m, Mux(second, a, b))
                for a, b in ((leading[lanes + i], leading[i]), (held[i], counts[i]), (gates[lanes + i], gates[i]))
            )
            beat.append(gated_sum(early, late, gate, self.form, self.y_bits))
        self._output(m, trailing_arrives | second, beat, popped)

    def _statistics(self, m: Module, gates: Value, valid: Value) -> None:
        """Count the open gates of a pixel."""
        total = compress(m, [{0: [gates]}], len(self.open_gates), register_inputs=False)
        for _ in range(total.latency):
            valid = self._tag(m, valid)
        m.d.comb += [self.open_gates.eq(total.value), self.open_gates_valid.eq(valid)]

    def _output(self, m: Module, push: Value, beat: list[Value], popped: Value) -> None:
        """Register a beat, queue it, and send it."""
        entry = Signal(self.schedule.lanes * self.y_bits, reset_less=True)
        pushed = self._tag(m, push)
        m.d.sync += entry.eq(Cat(*beat))
        steps = self.schedule.steps
        level = Signal(range(_PIXEL_SLOTS * steps + 1))
        taken, beats = Signal(), Signal(range(max(2, steps)))
        free = ~self.sums.valid | self.sums.ready
        m.d.comb += [taken.eq((level != 0) & free), popped.eq(taken & (beats == steps - 1))]
        m.d.sync += level.eq(level + pushed - taken)
        with m.If(taken):
            m.d.sync += beats.eq(Mux(popped, 0, beats + 1))
        head = lane_queue(m, "queue", _PIXEL_SLOTS * steps, entry, pushed, taken)
        with m.If(free):
            m.d.sync += self.sums.valid.eq(taken)
        with m.If(taken):
            m.d.sync += self.sums.payload.as_value().eq(head)

    @staticmethod
    def _tag(m: Module, value: Value) -> Signal:
        later = Signal(name="tag")
        m.d.sync += later.eq(value)
        return later
