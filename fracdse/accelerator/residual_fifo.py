"""FIFO of the shortcut: written in the producer's order and lanes, read in the consumer's.

A ring of pixels. Writing (`x`, `x_valid`) has no back-pressure of its own; `ready` says that whoever feeds it may go
on, and leaves room for `in_flight` beats that are still on their way. Reading is a stream, one beat a cycle. A pixel
becomes readable 1 cycle after its last beat; its first beat then takes 1 cycle more.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.reorder import Bank, plan_reorder
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.storage import Storage, power_of_two_at_least
from fracdse.accelerator.streams import lanes_stream


class ResidualFifo(wiring.Component):
    """Ring of `pixels` pixels (rounded up to a power of two) of one word a channel; see the module's description.

    Args:
        shape: Shape of a word.
        producer: Order in which a pixel is written.
        consumer: Order in which it is read; its channel c is the producer's c mod its number of channels.
        pixels: Least capacity.
        in_flight: Beats that may still arrive after `ready` has fallen.
    """

    def __init__(
        self, shape: Shape, producer: Schedule, consumer: Schedule, *, pixels: int, in_flight: int = 0
    ) -> None:
        self._shape = shape
        self._producer = producer
        self._consumer = consumer
        self._reserve = 1 + -(-in_flight // producer.steps) if in_flight else 0
        self.pixels = power_of_two_at_least(pixels + self._reserve)
        super().__init__(
            {
                "x": In(data.ArrayLayout(shape, producer.lanes)),
                "x_valid": In(1),
                "ready": Out(1),
                "read": Out(lanes_stream(shape, consumer.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        taken = Signal()
        written, write_step, write_slot = self._writer(m)
        used = Signal(range(self.pixels + 1))
        m.d.sync += used.eq(used + written - taken)
        m.d.comb += self.ready.eq(used < self.pixels - self._reserve)

        read_slot = Signal(range(self.pixels))
        issue = Signal()
        m.d.comb += issue.eq((used != 0) & (~self.read.valid | self.read.ready))
        step, last = step_counter(m, self._consumer.steps, issue)
        m.d.comb += taken.eq(issue & last)
        m.d.sync += read_slot.eq(read_slot + taken)
        with m.If(issue | self.read.ready):
            m.d.sync += self.read.valid.eq(issue)

        plan = plan_reorder(self._producer, self._consumer)
        words = [self._memory(m, banks, write_slot, write_step, read_slot, step, issue) for banks in plan.memories]
        for lane, sources in enumerate(plan.sources):
            known = sorted(set(sources))
            chosen = constant_table(m, step, [known.index(source) for source in sources], name="chosen")
            held = Signal(range(max(len(known), 2)), name="source", reset_less=True)
            with m.If(issue):
                m.d.sync += held.eq(chosen)
            options = Array([words[memory][place] for memory, place in known])
            m.d.comb += self.read.payload[lane].eq(options[held])
        return m

    def _writer(self, m: Module) -> tuple[Value, Signal, Signal]:
        """Count beats and pixels written; return the strobe of a whole pixel, the step and the place in the ring."""
        slot = Signal(range(self.pixels), name="write_slot")
        step, last = step_counter(m, self._producer.steps, self.x_valid)
        written = self.x_valid & last
        m.d.sync += slot.eq(slot + written)
        return written, step, slot

    def _memory(
        self,
        m: Module,
        banks: tuple[Bank, ...],
        write_slot: Value,
        write_step: Value,
        read_slot: Value,
        step: Value,
        issue: Value,
    ) -> data.View:
        """Build the memory of some banks that share their addresses; return the words read."""
        stride = power_of_two_at_least(self._producer.steps)
        layout = data.ArrayLayout(self._shape, len(banks))
        m.submodules += (memory := Storage(Shape.cast(layout).width, self.pixels * stride))
        address = constant_table(m, step, banks[0].addresses, name="address")
        width = (stride - 1).bit_length()
        m.d.comb += [
            memory.write_address.eq(Cat(write_step[:width], write_slot)),
            memory.write_data.eq(Cat(self.x[bank.lane] for bank in banks)),
            memory.write_enable.eq(self.x_valid),
            memory.read_address.eq(Cat(_exactly(address, width), read_slot)),
            memory.read_enable.eq(issue),
        ]
        return data.View(layout, memory.read_data)


def _exactly(value: Value, bits: int) -> Value:
    """Return an unsigned value with exactly this many bits."""
    return Cat(value, Const(0, bits))[:bits]
