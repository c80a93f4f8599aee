"""The first layer: packed pixels in, thermometer levels, binary 3×3 convolution without a gate, residual words out.

Stream in: `words` (see `gearbox`). Stream out: `u`, channels/lanes beats a pixel. One beat a cycle; a row costs one
cycle more. Two forms of the arithmetic, `table` and `popcount` (see `stem_lanes`). A lane takes one DSP slice, or
none where the multipliers are powers of two.
"""

from __future__ import annotations

from typing import Literal

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import as_signed, constant_table, saturate
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.gearbox import WORD_BYTES, Gearbox
from fracdse.accelerator.multiply import multiply_add, shift_factor
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.stem_lanes import popcount_lanes, table_lanes, weights_by_tap
from fracdse.accelerator.stem_window import StemWindow
from fracdse.accelerator.streams import feature_stream
from fracdse.accelerator.thermometer import code_bits, level_code, outside_code
from fracdse.program.model import StemProgram
from fracdse.topology import StemSpec


class Stem(wiring.Component):
    """u = sat((multiplier·Σ w·level + offset) >> shift); see the module's description.

    Args:
        spec: Geometry, levels and resolution.
        program: Weights and constants.
        schedule: Order of the channels on `u`.
        form: Which arithmetic to build.
        feature_bits: Width of a residual word.
    """

    def __init__(
        self,
        spec: StemSpec,
        program: StemProgram,
        schedule: Schedule,
        *,
        form: Literal["table", "popcount"],
        feature_bits: int,
    ) -> None:
        self._spec = spec
        self._program = program
        self._schedule = schedule
        self._form = form
        self._bits = feature_bits
        self._gearbox = Gearbox(colours=spec.colours, pixels=spec.in_height * spec.in_width)
        self.frame_words = self._gearbox.frame_words
        super().__init__(
            {
                "words": In(stream.Signature(8 * WORD_BYTES)),
                "frame_taken": Out(1),
                "u": Out(feature_stream(feature_bits, schedule.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        schedule = self._schedule
        codes, window_valid, window_ready = self._taps(m)
        enable, issue = Signal(), Signal()
        m.d.comb += [enable.eq(~self.u.valid | self.u.ready), issue.eq(enable & window_valid)]
        step, last = step_counter(m, schedule.steps, issue)
        m.d.comb += window_ready.eq(enable & last)
        pipe = Pipeline(m, enable)
        weights = weights_by_tap(self._program, self._spec.colours)
        if self._form == "table":
            sums, stages = table_lanes(m, pipe, weights, schedule, codes, step)
        else:
            sums, stages = popcount_lanes(m, pipe, enable, weights, schedule, codes, step)
        valid: Value = window_valid
        for _ in range(stages):
            step = pipe.register(step, name="step")
        for _ in range(stages + 4):
            valid = pipe.valid(valid)
        words = [self._scaled(m, pipe, lane, step, y) for lane, y in enumerate(sums)]
        m.d.comb += [self.u.valid.eq(valid), self.u.payload.eq(Cat(words))]
        return m

    def _taps(self, m: Module) -> tuple[list[Value], Value, Signal]:
        """Build gearbox, level counts and window; return the codes (tap, then colour), their valid and ready."""
        spec = self._spec
        bits = code_bits(spec.levels)
        border = sum(outside_code(spec.levels) << (bits * colour) for colour in range(spec.colours))
        m.submodules.gearbox = gearbox = self._gearbox
        m.submodules.window = window = StemWindow(
            bits=bits * spec.colours, height=spec.in_height, width=spec.in_width, stride=spec.stride, border=border
        )
        wiring.connect(m, wiring.flipped(self.words), gearbox.words)
        counts = [
            Cat(level_code(m, gearbox.pixels.payload[colour], spec.resolution, spec.levels), Const(0, bits))[:bits]
            for colour in range(spec.colours)
        ]
        coded = Signal()
        held = Signal(bits * spec.colours, name="coded_pixel", reset_less=True)
        m.d.comb += [
            gearbox.pixels.ready.eq(~coded | window.pixels.ready),
            window.pixels.valid.eq(coded),
            window.pixels.payload.eq(held),
            self.frame_taken.eq(gearbox.frame_taken),
        ]
        with m.If(gearbox.pixels.ready):
            m.d.sync += [coded.eq(gearbox.pixels.valid), held.eq(Cat(counts))]
        codes = [tap.word_select(colour, bits) for tap in window.window.payload for colour in range(spec.colours)]
        return codes, window.window.valid, window.window.ready

    def _scaled(self, m: Module, pipe: Pipeline, lane: int, step: Value, y: Value) -> Value:
        """Multiply, add, shift and saturate: four stages."""
        program = self._program
        channels = self._schedule.lane_channels(lane)
        offsets = [int(program.offset[channel]) for channel in channels]
        total = multiply_add(
            m,
            pipe,
            y,
            step,
            [int(program.multiplier[channel]) for channel in channels],
            lambda index: as_signed(constant_table(m, index, offsets, name="offset")),
            factor=shift_factor([int(value) for value in program.multiplier]),
        )
        return pipe.register(saturate(total >> program.shift, self._bits), name="u")
