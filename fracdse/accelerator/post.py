"""Everything a gated convolution's sums go through up to the next residual word.

    y + link  →  side of the split  →  multiplier·y + (offset + residual (+ SI))  →  u', its leading byte saturated

Streams in: `sums` (y, before the link), `shortcut` (x) and, where the layer has an SI branch, `si`; all carry
channels/lanes beats a pixel in the layer's schedule. Stream out: `u`. One beat a cycle; latency 5 cycles, 4 more with
a link and 1 more with a residual multiplier (3 where that is no choice of shifts). All stages stall together when `u`
is not taken. A lane takes one DSP slice, or none where all its layer's multipliers are powers of two.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import as_signed, constant_table, saturate, saturate_word
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.multiply import is_upward_shift, multiply_add, shift_factor
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import feature_stream, lanes_stream
from fracdse.program.fixed_point import LINKED_BITS
from fracdse.program.model import GatedConvProgram, IntArray


class Post(wiring.Component):
    """Affine map, residual addition and saturation; see the module's description.

    Args:
        program: Constants of the layer.
        schedule: Order of its output channels.
        y_bits: Width of a sum.
        shortcut_shape: Shape of a value of the shortcut.
        feature_bits: Width of a residual word.
        si_bits: Width of a value of the SI branch; 0 where there is none.
    """

    def __init__(
        self,
        program: GatedConvProgram,
        schedule: Schedule,
        *,
        y_bits: int,
        shortcut_shape: Shape,
        feature_bits: int,
        si_bits: int = 0,
    ) -> None:
        self._program = program
        self._schedule = schedule
        self._bits = feature_bits
        self._with_si = si_bits > 0
        lanes = schedule.lanes
        ports = {
            "sums": In(lanes_stream(signed(y_bits), lanes)),
            "shortcut": In(lanes_stream(shortcut_shape, lanes)),
            "u": Out(feature_stream(feature_bits, lanes)),
        }
        if self._with_si:
            ports["si"] = In(lanes_stream(signed(si_bits), lanes))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        inputs = [self.sums, self.shortcut, *([self.si] if self._with_si else [])]
        arrived = Signal()
        enable = Signal()
        m.d.comb += [
            arrived.eq(Cat(port.valid for port in inputs).all()),
            enable.eq(~self.u.valid | self.u.ready),
            *(port.ready.eq(arrived & enable) for port in inputs),
        ]
        pipe = Pipeline(m, enable)
        step, _ = step_counter(m, self._schedule.steps, arrived & enable)
        values = []
        for lane in range(self._schedule.lanes):
            si = self.si.payload[lane] if self._with_si else None
            values.append(self._lane(m, pipe, lane, step, self.sums.payload[lane], self.shortcut.payload[lane], si))
        valid: Value = arrived
        for _ in range(self._latency):
            valid = pipe.valid(valid)
        m.d.comb += [self.u.valid.eq(valid), self.u.payload.eq(Cat(values))]
        return m

    @property
    def _latency(self) -> int:
        program = self._program
        return 5 + 4 * (program.link_multiplier is not None) + self._residual_stages

    @property
    def _residual_stages(self) -> int:
        """Stages that scale the residual: none, one where that is a choice of shifts, three for a multiplication."""
        multiplier = self._program.residual_multiplier
        if multiplier is None:
            return 0
        return 1 if all(is_upward_shift(int(value)) for value in multiplier) else 3

    def _lane(self, m: Module, pipe: Pipeline, lane: int, step: Value, y: Value, x: Value, si: Value | None) -> Value:
        program = self._program
        if program.link_multiplier is not None:
            y, x, step, si = self._link(m, pipe, lane, step, y, x, si)
        if program.residual_multiplier is not None:
            y, x, step, si = self._scaled_residual(m, pipe, lane, step, y, x, si)
        split = constant_table(m, step, self._of(lane, program.split), name="split")
        side, y, step = pipe.registers(y >= split, y, step)
        x = pipe.register(x if si is None else x + si)
        index = Cat(side, step)
        lane_channels = self._schedule.lane_channels(lane)
        offsets = [int(program.offset[s, c]) for c in lane_channels for s in (0, 1)]
        multipliers = [int(program.multiplier[s, c]) for c in lane_channels for s in (0, 1)]
        factor = shift_factor([int(value) for value in program.multiplier.flat])
        total = multiply_add(m, pipe, y, index, multipliers, offsets, factor=factor, extra=x, extra_shift=program.shift)
        return pipe.register(saturate_word(as_signed(total).shift_right(program.shift), self._bits), name="u")

    def _of(self, lane: int, constants: IntArray) -> list[int]:
        return [int(constants[channel]) for channel in self._schedule.lane_channels(lane)]

    def _link(
        self, m: Module, pipe: Pipeline, lane: int, step: Value, y: Value, x: Value, si: Value | None
    ) -> tuple[Value, Value, Value, Value | None]:
        """Add (link_multiplier·x + link_offset) >> link_shift to y, saturated to `LINKED_BITS`: four stages."""
        program = self._program
        assert program.link_multiplier is not None
        assert program.link_offset is not None
        total = multiply_add(
            m,
            pipe,
            x,
            step,
            self._of(lane, program.link_multiplier),
            self._of(lane, program.link_offset),
            factor=shift_factor([int(value) for value in program.link_multiplier.flat]),
        )
        y, x, step, si = _delay(pipe, 3, y, x, step, si)
        linked = pipe.register(
            saturate(y + as_signed(total).shift_right(program.link_shift), LINKED_BITS), name="linked"
        )
        _, x, step, si = _delay(pipe, 1, y, x, step, si)
        return linked, x, step, si

    def _scaled_residual(
        self, m: Module, pipe: Pipeline, lane: int, step: Value, y: Value, x: Value, si: Value | None
    ) -> tuple[Value, Value, Value, Value | None]:
        """Replace x by (residual_multiplier·x) >> residual_shift."""
        program = self._program
        assert program.residual_multiplier is not None
        multipliers = self._of(lane, program.residual_multiplier)
        if self._residual_stages == 1:
            scaled = pipe.register(_shifted(m, step, x, multipliers, program.residual_shift), "residual", reset=True)
            y, _, step, si = _delay(pipe, 1, y, x, step, si)
            return y, scaled, step, si
        total = multiply_add(
            m,
            pipe,
            x,
            step,
            multipliers,
            [0] * self._schedule.steps,
            factor=shift_factor([int(value) for value in program.residual_multiplier.flat]),
        )
        y, _, step, si = _delay(pipe, 3, y, x, step, si)
        return y, as_signed(total).shift_right(program.residual_shift), step, si


def _shifted(m: Module, step: Value, x: Value, multipliers: list[int], shift: int) -> Value:
    """Return (multipliers[step]·x) >> shift for multipliers of 0 and powers of two: a choice of few shifts of x."""
    known = sorted(set(multipliers))
    options = [(as_signed(x) << (value.bit_length() - 1)) >> shift if value else Const(0, 1) for value in known]
    chosen = Signal(signed(max(map(len, options))), name="shifted")
    with m.Switch(constant_table(m, step, [known.index(value) for value in multipliers], name="shift")):
        for position, option in enumerate(options[:-1]):
            with m.Case(position):
                m.d.comb += chosen.eq(option)
        with m.Default():
            m.d.comb += chosen.eq(options[-1])
    return chosen


def _delay(
    pipe: Pipeline, stages: int, y: Value, x: Value, step: Value, si: Value | None
) -> tuple[Value, Value, Value, Value | None]:
    for _ in range(stages):
        y, x, step = pipe.registers(y, x, step)
        si = None if si is None else pipe.register(si)
    return y, x, step, si
