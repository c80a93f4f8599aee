# amaranth: UnusedElaboratable=no
"""The first layer: packed pixels in, thermometer levels, binary 3×3 convolution without a gate, residual words out.

Stream in: `words` (see `gearbox`). Stream out: `u`, channels/lanes beats a pixel. One beat a cycle, or in 3 or 9 cycles
where the window is sliced; a row costs one cycle more. Two forms of the arithmetic, `table` and `popcount` (see
`stem_lanes`); slices have their own (see `stem_slices`). A lane takes one DSP slice, or none where the multipliers are
powers of two.
"""

from __future__ import annotations

from typing import Literal

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import saturate_word
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.gearbox import WORD_BYTES, Gearbox
from fracdse.accelerator.multiply import multiply_add, shift_factor
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.stem_lanes import Taps, popcount_lanes, table_lanes, weights_by_tap
from fracdse.accelerator.stem_slices import sliced_lanes
from fracdse.accelerator.stem_window import StemWindow
from fracdse.accelerator.streams import feature_stream
from fracdse.accelerator.thermometer import code_bits, level_code
from fracdse.program.model import StemProgram
from fracdse.topology import StemSpec


class Stem(wiring.Component):
    """u = satw((multiplier·Σ w·level + offset) >> shift); see the module's description.

    Args:
        spec: Geometry, levels and resolution.
        program: Weights and constants.
        schedule: Order of the channels on `u`.
        form: Which arithmetic to build.
        slices: Cycles a lane takes for a window: 1, 3 or 9 (see `stem_slices`).
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
        slices: int = 1,
    ) -> None:
        self._spec = spec
        self._program = program
        self._schedule = schedule
        self._form = form
        self._slices = slices
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
        window = self._window(m)
        enable, issue = Signal(), Signal()
        m.d.comb += [enable.eq(~self.u.valid | self.u.ready), issue.eq(enable & window.valid)]
        index, last_slice = step_counter(m, self._slices, issue)
        step, last = step_counter(m, schedule.steps, issue & last_slice)
        m.d.comb += window.ready.eq(enable & last & last_slice)
        pipe = Pipeline(m, enable)
        weights = weights_by_tap(self._program, self._spec.colours)
        taps = self._taps(window.payload, step)
        if self._slices > 1:
            sums, stages = sliced_lanes(m, pipe, enable, weights, schedule, taps, self._slices, index)
        else:
            build = table_lanes if self._form == "table" else popcount_lanes
            sums, stages = build(m, pipe, enable, weights, schedule, taps)
        valid: Value = window.valid & last_slice
        for _ in range(stages):
            step = pipe.register(step, name="step")
        for _ in range(stages + 4):
            valid = pipe.valid(valid)
        words = [self._scaled(m, pipe, lane, step, y) for lane, y in enumerate(sums)]
        m.d.comb += [self.u.valid.eq(valid), self.u.payload.eq(Cat(words))]
        return m

    def _window(self, m: Module) -> stream.Interface:
        """Build gearbox, level codes and window; return the stream of windows. A pixel's highest bit is 'outside'."""
        spec = self._spec
        bits = code_bits(spec.levels)
        size = bits * spec.colours
        m.submodules.gearbox = gearbox = self._gearbox
        m.submodules.window = window = StemWindow(
            bits=size + 1, height=spec.in_height, width=spec.in_width, stride=spec.stride, border=1 << size
        )
        wiring.connect(m, wiring.flipped(self.words), gearbox.words)
        held = Signal(size, name="coded_pixel", reset_less=True)
        coded = Signal()
        m.d.comb += [
            gearbox.pixels.ready.eq(~coded | window.pixels.ready),
            window.pixels.valid.eq(coded),
            window.pixels.payload.eq(held),
            self.frame_taken.eq(gearbox.frame_taken),
        ]
        with m.If(gearbox.pixels.ready):
            m.d.sync += coded.eq(gearbox.pixels.valid)
            for colour in range(spec.colours):
                code = level_code(m, gearbox.pixels.payload[colour], spec.resolution, spec.levels)
                m.d.sync += held.word_select(colour, bits).eq(code)
        return window.window

    def _taps(self, pixels: data.View, step: Value) -> Taps:
        """Cut the pixels of a window into codes."""
        colours, bits = self._spec.colours, code_bits(self._spec.levels)
        codes = [pixel.word_select(colour, bits) for pixel in pixels for colour in range(colours)]
        return Taps(codes, [pixel[-1] for pixel in pixels], step)

    def _scaled(self, m: Module, pipe: Pipeline, lane: int, step: Value, y: Value) -> Value:
        """Multiply, add, shift and saturate: four stages."""
        program = self._program
        channels = self._schedule.lane_channels(lane)
        total = multiply_add(
            m,
            pipe,
            y,
            step,
            [int(program.multiplier[channel]) for channel in channels],
            [int(program.offset[channel]) for channel in channels],
            factor=shift_factor([int(value) for value in program.multiplier]),
        )
        return pipe.register(saturate_word(total >> program.shift, self._bits), name="u")
