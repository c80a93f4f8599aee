"""Residual words to two-bit activations: three thresholds a channel, and a whole pixel a beat or as they come.

Stream in: `u`. Streams out: `residual`, the same words at the same time, for the shortcut; `codes`, one beat a pixel
in the natural order of channels. Two comparators a lane: the middle threshold first, then the lower or the upper one.
One beat of `u` a cycle; a pixel of codes appears 3 cycles after its last beat. A second pixel waits until the first
is taken, so `u.ready` depends on registers and on `residual.ready` alone. Without `whole_pixels` a beat of codes leaves
2 cycles after its words, in the order of the schedule, and `u.ready` depends on `codes.ready` as well.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import code_stream, feature_stream
from fracdse.program.model import BoolArray, IntArray


class Activation(wiring.Component):
    """Two-bit quantiser; see the module's description.

    Args:
        thresholds: (channels, 3), ascending.
        descending: (channels,), true where the code falls as u rises.
        schedule: Order of the channels on `u`.
        feature_bits: Width of a residual word.
        whole_pixels: Whether a beat of codes is a whole pixel.
    """

    def __init__(
        self,
        thresholds: IntArray,
        descending: BoolArray,
        schedule: Schedule,
        *,
        feature_bits: int,
        whole_pixels: bool = True,
    ) -> None:
        self._thresholds = thresholds
        self._descending = descending
        self._schedule = schedule
        self._whole_pixels = whole_pixels
        codes = schedule.channels if whole_pixels else schedule.lanes
        super().__init__(
            {
                "u": In(feature_stream(feature_bits, schedule.lanes)),
                "residual": Out(feature_stream(feature_bits, schedule.lanes)),
                "codes": Out(code_stream(codes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        schedule = self._schedule
        enable = Signal()
        accepted = Signal()
        m.d.comb += [
            self.residual.payload.eq(self.u.payload),
            self.residual.valid.eq(self.u.valid & enable),
            self.u.ready.eq(self.residual.ready & enable),
            accepted.eq(self.u.valid & self.u.ready),
        ]
        pipe = Pipeline(m, enable)
        step, _ = step_counter(m, schedule.steps, accepted)
        codes = [self._code(m, pipe, lane, self.u.payload[lane], step) for lane in range(schedule.lanes)]
        valid = pipe.valid(pipe.valid(accepted))
        if not self._whole_pixels:
            m.d.comb += [enable.eq(~valid | self.codes.ready), self.codes.valid.eq(valid)]
            m.d.comb += self.codes.payload.eq(Cat(codes))
            return m
        step = pipe.register(pipe.register(step))
        complete = Signal()
        m.d.comb += complete.eq(valid & (step == schedule.steps - 1))
        pixel = self._assemble(m, enable & valid, codes)
        if schedule.steps == 1:
            self._two_pixels(m, complete, enable, pixel)
        else:
            self._one_pixel(m, complete, enable, pixel)
        return m

    def _code(self, m: Module, pipe: Pipeline, lane: int, u: Value, step: Value) -> Value:
        """Return the code of one lane, two stages after its word."""
        channels = self._schedule.lane_channels(lane)
        middle = constant_table(m, step, [self._thresholds[c, 1] for c in channels], name="middle")
        upper, u, step = pipe.registers(u >= middle, u, step)
        outer = [int(self._thresholds[c, side]) for c in channels for side in (0, 2)]
        other = constant_table(m, Cat(upper, step), outer, name="outer")
        flip = constant_table(m, step, [int(self._descending[c]) for c in channels], name="flip")
        return Cat(*pipe.registers((u >= other) ^ flip, upper ^ flip))

    def _assemble(self, m: Module, write: Value, codes: list[Value]) -> Value:
        """Collect the codes of a pixel, a shift register a lane; return the pixel at the time of its last beat."""
        schedule = self._schedule
        pixel: list[Value] = [codes[0]] * schedule.channels
        for lane, code in enumerate(codes):
            for position in reversed(range(schedule.steps)):
                channel = schedule.channel(lane, position)
                pixel[channel] = code
                if position:
                    kept = Signal(2, name=f"code_{channel}", reset_less=True)
                    with m.If(write):
                        m.d.sync += kept.eq(code)
                    code = kept
        return Cat(pixel)

    def _one_pixel(self, m: Module, complete: Value, enable: Signal, pixel: Value) -> None:
        """Offer one pixel; the next one enters when it has gone."""
        held = Signal.like(pixel, name="held", reset_less=True)
        full = Signal()
        m.d.comb += [enable.eq(~(complete & full)), self.codes.payload.eq(held), self.codes.valid.eq(full)]
        with m.If(full):
            m.d.sync += full.eq(~self.codes.ready)
        with m.Elif(complete):
            m.d.sync += [held.eq(pixel), full.eq(1)]

    def _two_pixels(self, m: Module, complete: Value, enable: Signal, pixel: Value) -> None:
        """Offer pixels from two places in turn, so that one can enter in every cycle."""
        held = Array([Signal.like(pixel, name=f"held_{i}", reset_less=True) for i in (0, 1)])
        full = Array([Signal(name=f"full_{i}") for i in (0, 1)])
        head, tail = Signal(), Signal()
        m.d.comb += [
            enable.eq(~(complete & full[tail])),
            self.codes.payload.eq(held[head]),
            self.codes.valid.eq(full[head]),
        ]
        with m.If(self.codes.valid & self.codes.ready):
            m.d.sync += [full[head].eq(0), head.eq(~head)]
        with m.If(complete & enable):
            m.d.sync += [held[tail].eq(pixel), full[tail].eq(1), tail.eq(~tail)]
