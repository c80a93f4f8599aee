"""Which lane works on which channel in which cycle, where lanes take several steps a pixel.

Time runs in pairs of passes, because the planes of the `TapArray` must alternate:

    leading(n + lag)   `steps` cycles: all lanes compute M of their channels, step by step
    trailing(n)        as many cycles as the busiest lane has open gates (at least one): each lane computes L of its
                       open channels only, in the order in which their gates opened

Both kinds of pass shift the array in their first cycle and issue work in the same cycle, so that a pair without a
window (the first column of a row where the stride is 1) costs two cycles and nothing else is lost. `lag` pixels
between M and L hide the latency of the adder tree: gates arrive while later pixels' passes run, and their steps wait
in a queue a lane. At a row's end, where the next columns have not arrived, blank pairs let the passes in flight
finish; within a row the passes wait.

A blank pair shifts zeros: while no column waits, the window still shows the last one of a row, which is zero, or which
the next row does not touch.

A leading pass starts only where the sums of its pixel have room behind the lanes (`pixel_slots`), a trailing pass
likewise (`trailing_slots`), so the adder tree never stalls.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.lane_queue import lane_queue
from fracdse.accelerator.window_types import WindowGeometry


class PassScheduler(wiring.Component):
    """Issue passes; see the module's text.

    columns: from the window. shift, row_start, plane: to the `TapArray`. Issued work: `leading` (all lanes) or
    `trailing` (a bit a lane) with `step` a lane and `border`; `trailing_last` marks the end of a pixel,
    `leading_last` the last step of its leading pass. gates_valid, gates: the gates of all lanes, in the order
    issued. pixel_done: a pixel's sums have left. open_gates, open_gates_valid: number of open gates of a pixel,
    once a pixel.
    """

    def __init__(
        self, geometry: WindowGeometry, lanes: int, steps: int, lag: int, pixel_slots: int, trailing_slots: int
    ) -> None:
        self.geometry, self.lanes, self.steps, self.lag = geometry, lanes, steps, lag
        self.pixel_slots, self.trailing_slots = pixel_slots, trailing_slots
        self.step_bits = max(1, (steps - 1).bit_length())
        self.count_bits = steps.bit_length()
        super().__init__(
            {
                "columns": In(stream.Signature(geometry.column_layout)),
                "shift": Out(1),
                "row_start": Out(1),
                "plane": Out(geometry.column_bits),
                "border": Out(geometry.border_bits),
                "leading": Out(1),
                "leading_last": Out(1),
                "trailing": Out(lanes),
                "trailing_last": Out(1),
                "step": Out(data.ArrayLayout(self.step_bits, lanes)),
                "gates_valid": In(1),
                "gates": In(lanes),
                "pixel_done": In(1),
                "open_gates": Out((lanes * steps).bit_length()),
                "open_gates_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the two passes and the queues between them."""
        m = Module()
        self._trailing_pass = Signal()
        self._finish_trailing = Signal()
        self._blank = Signal()
        self._leading_step = Signal(range(max(2, self.steps)))
        self._left = [Signal(self.count_bits, name=f"left{lane}") for lane in range(self.lanes)]
        self._loaded = Signal()
        tail = self._delay_line(m)
        queued = self._gate_queues(m)
        started = self._leading(m)
        shift_trailing = self._trailing(m, tail)
        column = self.columns.p
        m.d.comb += [
            self.shift.eq(started | shift_trailing),
            self.row_start.eq(Mux(self._trailing_pass, tail.row_start, column.row_start)),
            self.border.eq(Mux(self._trailing_pass, tail.border, column.border)),
            self.plane.eq(Mux(self._trailing_pass, tail.lsb, column.msb)),
        ]
        for lane in range(self.lanes):
            m.d.comb += self.step[lane].eq(Mux(self._trailing_pass, queued[lane], self._leading_step))
        return m

    def _delay_line(self, m: Module) -> data.View:
        """Keep the trailing plane of `lag` columns; return the oldest. It moves on when a trailing pass ends."""
        layout = data.StructLayout(
            {"lsb": self.geometry.column_bits, "border": self.geometry.border_bits, "compute": 1, "row_start": 1}
        )
        line = [Signal(layout, name=f"delayed{i}") for i in range(self.lag)]
        column, fresh = self.columns.p, ~self._blank
        with m.If(self._finish_trailing):
            m.d.sync += [later.eq(earlier) for later, earlier in zip(line[1:], line[:-1], strict=True)]
            m.d.sync += [
                line[0].lsb.eq(column.lsb),
                line[0].border.eq(column.border),
                line[0].compute.eq(column.compute & fresh),
                line[0].row_start.eq(column.row_start),
            ]
        with m.If(self._finish_trailing & self._blank):
            m.d.sync += line[0].lsb.eq(0)
        m.d.comb += self.columns.ready.eq(self._finish_trailing & fresh)
        self._in_flight = Cat(entry.compute for entry in line).any()
        return line[-1]

    def _leading(self, m: Module) -> Value:
        """Run leading passes; return the strobe of a pass that starts."""
        boundary = Signal(init=1)
        with m.If(self.columns.valid & self.columns.ready):
            m.d.sync += boundary.eq(self.columns.p.row_end)
        room = self._credit(m, "pixel", self.pixel_slots, self.leading & (self._leading_step == 0))
        first = ~self._trailing_pass & (self._leading_step == 0)
        real = self.columns.valid & (~self.columns.p.compute | room)
        blank = ~self.columns.valid & boundary & self._in_flight
        started, last = Signal(), Signal()
        m.d.comb += [
            started.eq(first & (real | blank)),
            self.leading.eq(
                ~self._trailing_pass & self.columns.p.compute & ((first & real) | (self._leading_step != 0))
            ),
            last.eq(self.leading & (self._leading_step == self.steps - 1)),
            self.leading_last.eq(last),
        ]
        with m.If(started):
            m.d.sync += self._blank.eq(blank)
        with m.If(self.leading):
            m.d.sync += self._leading_step.eq(Mux(last, 0, self._leading_step + 1))
        with m.If(last | (started & ~self.leading)):
            m.d.sync += self._trailing_pass.eq(1)
        return started

    def _trailing(self, m: Module, tail: data.View) -> Value:
        """Run trailing passes; return the strobe of the first cycle of one."""
        begun = Signal()
        go, shift = Signal(), Signal()
        room = self._credit(m, "trailing", self.trailing_slots, shift & tail.compute)
        ends = Cat(left <= 1 for left in self._left).all()
        m.d.comb += [
            go.eq(self._trailing_pass & (begun | ~tail.compute | (self._loaded & room))),
            shift.eq(go & ~begun),
            self._finish_trailing.eq(go & (~tail.compute | ends)),
            self.trailing_last.eq(self._finish_trailing & tail.compute),
        ]
        with m.If(go):
            m.d.sync += begun.eq(~self._finish_trailing)
        with m.If(self._finish_trailing):
            m.d.sync += self._trailing_pass.eq(0)
        for lane, left in enumerate(self._left):
            m.d.comb += self.trailing[lane].eq(go & tail.compute & (left != 0))
            with m.If(self.trailing[lane]):
                m.d.sync += left.eq(left - 1)
        return shift

    def _credit(self, m: Module, name: str, slots: int, take: Value) -> Value:
        """Count pixels between `take` and `pixel_done`; return whether one more has room."""
        used = Signal(range(slots + 1), name=f"{name}_used")
        m.d.sync += used.eq(used + take - self.pixel_done)
        return used != slots

    def _gate_queues(self, m: Module) -> list[Value]:
        """Queue the steps of open gates a lane and their number a pixel; return the step at the head of each queue."""
        step = Signal(self.step_bits, name="gate_step")
        last = step == self.steps - 1
        counts = [Signal(self.count_bits, name=f"count{lane}") for lane in range(self.lanes)]
        totals = [count + gate for count, gate in zip(counts, self.gates, strict=True)]
        with m.If(self.gates_valid):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
            m.d.sync += [count.eq(Mux(last, 0, total)) for count, total in zip(counts, totals, strict=True)]
        self._pixel_queue(m, self.gates_valid & last, [total[: self.count_bits] for total in totals])
        self._statistics(m, self.gates_valid & last, totals)
        return [
            lane_queue(
                m, f"steps{lane}", (self.lag + 1) * self.steps, step, self.gates_valid & gate, self.trailing[lane]
            )
            for lane, gate in enumerate(self.gates)
        ]

    def _pixel_queue(self, m: Module, push: Value, counts: list[Value]) -> None:
        """Hand the counts of the next pixel to the trailing pass as soon as it has used up the last ones."""
        level = Signal(range(self.pixel_slots + 1), name="counted_pixels")
        pop = Signal()
        head = lane_queue(m, "counts", self.pixel_slots, Cat(*counts), push, pop)
        m.d.comb += pop.eq(~self._loaded & (level != 0))
        m.d.sync += level.eq(level + push - pop)
        with m.If(self.trailing_last):
            m.d.sync += self._loaded.eq(0)
        with m.If(pop):
            m.d.sync += self._loaded.eq(1)
            m.d.sync += [
                left.eq(head[i * self.count_bits : (i + 1) * self.count_bits]) for i, left in enumerate(self._left)
            ]

    def _statistics(self, m: Module, push: Value, totals: list[Value]) -> None:
        total: Value = Const(0)
        for count in totals:
            total = total + count
        m.d.sync += [self.open_gates.eq(total), self.open_gates_valid.eq(push)]
