"""Put leading and trailing sums of a pixel together, in the order of the schedule.

Leading sums and gates enter one queue for all lanes; trailing sums enter a queue a lane. When the trailing pass of a
pixel has ended, its beats leave one after the other: y = 2·M + gate·L, each lane taking an entry from its trailing
queue where the gate is open. Latency: one cycle after the end of the trailing pass.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import saturate, signed_bits
from fracdse.accelerator.lane_queue import lane_queue
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.sum_format import SumFormat


def gated_sum(leading: Value, trailing: Value, gate: Value, form: SumFormat, y_bits: int) -> Value:
    """Return y = 2·M + gate·L from two H that share a format, clipped where y may exceed `y_bits` signed bits."""
    masked = trailing & gate.replicate(len(trailing))
    if form.halved:
        zero, odd = Const(0, 1), Const(form.odd, 1)
        total = Cat(zero, odd, leading).as_signed() + Cat(odd & gate, masked).as_signed()
    else:
        total = Cat(Const(0, 1), leading).as_signed() + masked.as_signed()
    may_exceed = y_bits < signed_bits(-3 * form.taps, 3 * form.taps)
    return (saturate(total, y_bits) if may_exceed else total)[:y_bits].as_signed()


class SumCollector(wiring.Component):
    """Queue sums and emit y.

    leading_valid: `sums` are leading sums, `gates` belong to them. trailing_valid: lanes whose `sums` are
    trailing ones. pixel_complete: no trailing sum of the oldest pixel is missing. pixel_done: its last beat has
    left the queues.
    """

    def __init__(
        self, lanes: int, steps: int, form: SumFormat, y_bits: int, pixel_slots: int, trailing_slots: int
    ) -> None:
        self.lanes, self.steps, self.form, self.y_bits = lanes, steps, form, y_bits
        self.pixel_slots, self.trailing_slots = pixel_slots, trailing_slots
        super().__init__(
            {
                "leading_valid": In(1),
                "trailing_valid": In(lanes),
                "gates": In(lanes),
                "counts": In(lanes * form.bits),
                "pixel_complete": In(1),
                "pixel_done": Out(1),
                "sums": Out(lanes_stream(signed(y_bits), lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the queues and the output register."""
        m = Module()
        complete, step, take = Signal(range(self.pixel_slots + 1)), Signal(range(max(2, self.steps))), Signal()
        last = step == self.steps - 1
        m.d.comb += [
            take.eq((complete != 0) & (~self.sums.valid | self.sums.ready)),
            self.pixel_done.eq(take & last),
        ]
        m.d.sync += complete.eq(complete + self.pixel_complete - self.pixel_done)
        with m.If(~self.sums.valid | self.sums.ready):
            m.d.sync += self.sums.valid.eq(take)
        with m.If(take):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
        entry = Cat(self.counts, self.gates)
        head = lane_queue(m, "leading", self.pixel_slots * self.steps, entry, self.leading_valid, take)
        bits = self.form.bits
        for lane in range(self.lanes):
            gate = head[self.lanes * bits + lane]
            count = self.counts[lane * bits : (lane + 1) * bits]
            depth = self.trailing_slots * self.steps
            trailing = lane_queue(m, f"trailing{lane}", depth, count, self.trailing_valid[lane], take & gate)
            y = gated_sum(head[lane * bits : (lane + 1) * bits], trailing, gate, self.form, self.y_bits)
            with m.If(take):
                m.d.sync += self.sums.payload[lane].eq(y)
        return m
