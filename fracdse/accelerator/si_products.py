"""The two 1×1 convolutions of an SI branch: squeeze to a few channels, expand to the layer's.

A multiplier (one DSP slice each) a lane and squeezed channel in either, or additions where a lane has one channel; one
beat a cycle; all stages stall together.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table, saturate, signed_bits
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.multiply import table_product
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import feature_stream, lanes_stream
from fracdse.program.model import SIProgram


class Squeeze(wiring.Component):
    """z = sat((multiplier·u + offset) >> input_shift), a = sat((Σ squeeze·z + offset) >> shift): S values a pixel.

    Stream in: `u`. Stream out: `a`, one beat a pixel. Latency 8 cycles after a pixel's last beat; one more multiplier a
    lane for z.
    """

    def __init__(self, program: SIProgram, schedule: Schedule, *, feature_bits: int) -> None:
        self._program = program
        self._schedule = schedule
        self._width = program.squeeze.shape[0]
        super().__init__(
            {
                "u": In(feature_stream(feature_bits, schedule.lanes)),
                "a": Out(lanes_stream(signed(program.bits), self._width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        program, schedule = self._program, self._schedule
        enable, accepted = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.a.valid | self.a.ready),
            self.u.ready.eq(enable),
            accepted.eq(self.u.valid & enable),
        ]
        pipe = Pipeline(m, enable)
        step, last = step_counter(m, schedule.steps, accepted)
        first = step == 0
        z = [self._input(m, pipe, lane, step) for lane in range(schedule.lanes)]
        for _ in range(3):
            step = pipe.register(step)
        valid: Value = accepted
        marks: Value = Cat(first, last)
        for _ in range(6):
            valid = pipe.valid(valid)
            marks = pipe.register(marks)
        results = []
        for channel in range(self._width):
            products = [self._product(m, pipe, channel, lane, z[lane], step) for lane in range(schedule.lanes)]
            part = pipe.register(sum(products[1:], start=products[0]), name="part")
            bound = int(abs(program.squeeze[channel]).sum()) << (program.bits - 1)
            total = Signal(signed(signed_bits(-bound - 1, bound)), name="squeezed", reset_less=True)
            with m.If(enable & valid):
                m.d.sync += total.eq(Mux(marks[0], 0, total) + part)
            scaled = (total + int(program.squeeze_offset[channel])).shift_right(program.squeeze_shift)
            results.append(pipe.register(saturate(scaled, program.bits), name="a"))
        complete = pipe.valid(valid & marks[1])
        m.d.comb += [self.a.valid.eq(pipe.valid(complete)), self.a.payload.eq(Cat(results))]
        return m

    def _input(self, m: Module, pipe: Pipeline, lane: int, step: Value) -> Value:
        """Return a lane's word on the branch's grid, three stages later."""
        program, channels = self._program, self._schedule.lane_channels(lane)
        multipliers = [int(program.input_multiplier[c]) for c in channels]
        product = table_product(pipe, self.u.payload[lane], step, multipliers)
        step = pipe.register(pipe.register(step))
        offset = constant_table(m, step, [int(program.input_offset[c]) for c in channels], name="input_offset")
        return pipe.register(saturate((product + offset).shift_right(program.input_shift), program.bits), name="z")

    def _product(self, m: Module, pipe: Pipeline, channel: int, lane: int, z: Value, step: Value) -> Value:
        weights = [int(self._program.squeeze[channel, c]) for c in self._schedule.lane_channels(lane)]
        return table_product(pipe, z, step, weights)


class Expand(wiring.Component):
    """si = (Σ expand·b + offset) >> shift, in the layer's schedule.

    Stream in: `b`, one beat a pixel. Stream out: `si`. Latency 4 cycles.
    """

    def __init__(self, program: SIProgram, schedule: Schedule) -> None:
        self._program = program
        self._schedule = schedule
        self._width = program.expand.shape[1]
        self.bits = si_bits(program)
        super().__init__(
            {
                "b": In(lanes_stream(signed(program.bits), self._width)),
                "si": Out(lanes_stream(signed(self.bits), schedule.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        schedule = self._schedule
        enable, issue = Signal(), Signal()
        m.d.comb += [enable.eq(~self.si.valid | self.si.ready), issue.eq(enable & self.b.valid)]
        pipe = Pipeline(m, enable)
        step, last = step_counter(m, schedule.steps, issue)
        m.d.comb += self.b.ready.eq(enable & last)
        valid: Value = self.b.valid
        for _ in range(4):
            valid = pipe.valid(valid)
        values = [self._lane(m, pipe, lane, step) for lane in range(schedule.lanes)]
        m.d.comb += [self.si.valid.eq(valid), self.si.payload.eq(Cat(values))]
        return m

    def _lane(self, m: Module, pipe: Pipeline, lane: int, step: Value) -> Value:
        program = self._program
        channels = self._schedule.lane_channels(lane)
        products = []
        for source in range(self._width):
            weights = [int(program.expand[c, source]) for c in channels]
            products.append(table_product(pipe, self.b.payload[source], step, weights))
        step = pipe.register(pipe.register(step))
        total = pipe.register(sum(products[1:], start=products[0]), name="total")
        step = pipe.register(step)
        offset = constant_table(m, step, [int(program.expand_offset[c]) for c in channels], name="expand_offset")
        result = Signal(signed(self.bits), name="si")
        m.d.comb += result.eq((total + offset) >> program.expand_shift)
        return pipe.register(result)


def si_bits(program: SIProgram) -> int:
    """Return the width of a value that the branch adds, from its constants."""
    bounds = [
        (int(abs(row).sum()) << (program.bits - 1)) + abs(int(offset))
        for row, offset in zip(program.expand, program.expand_offset, strict=True)
    ]
    bound = (max(bounds) >> program.expand_shift) + 1
    return signed_bits(-bound, bound)
