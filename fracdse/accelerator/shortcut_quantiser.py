"""Residual words to the shortcut's codes of a few bits: a binary search through the thresholds, one comparator a bit.

Takes a beat a cycle without back-pressure; latency `bits` cycles.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.program.model import BoolArray, IntArray


class ShortcutQuantiser(wiring.Component):
    """code = number of thresholds ≤ x, or 2^bits − 1 minus it where descending.

    Args:
        thresholds: (channels, 2^bits − 1), ascending.
        descending: (channels,).
        schedule: Order of the channels on `x`.
        feature_bits: Width of a residual word.
    """

    def __init__(self, thresholds: IntArray, descending: BoolArray, schedule: Schedule, *, feature_bits: int) -> None:
        self._thresholds = thresholds
        self._descending = descending
        self._schedule = schedule
        self.bits = (thresholds.shape[1] + 1).bit_length() - 1
        lanes = schedule.lanes
        super().__init__(
            {
                "x": In(data.ArrayLayout(signed(feature_bits), lanes)),
                "x_valid": In(1),
                "code": Out(data.ArrayLayout(unsigned(self.bits), lanes)),
                "code_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        pipe = Pipeline(m, Const(1))
        step, _ = step_counter(m, self._schedule.steps, self.x_valid)
        valid: Value = self.x_valid
        for _ in range(self.bits):
            valid = pipe.valid(valid)
        codes = [self._code(m, pipe, lane, self.x[lane], step) for lane in range(self._schedule.lanes)]
        m.d.comb += [self.code_valid.eq(valid), self.code.eq(Cat(codes))]
        return m

    def _code(self, m: Module, pipe: Pipeline, lane: int, x: Value, step: Value) -> Value:
        """Search from the top bit: with `found` bits known, compare with threshold (found·2 + 1)·2^(rest) − 1."""
        channels = self._schedule.lane_channels(lane)
        found: Value = Signal(0)
        for level in range(self.bits):
            half = 1 << (self.bits - 1 - level)
            entries = [
                int(self._thresholds[c, prefix * 2 * half + half - 1]) for c in channels for prefix in range(1 << level)
            ]
            threshold = constant_table(m, Cat(found, step), entries, name="threshold")
            found, x, step = pipe.registers(Cat(x >= threshold, found), x, step)
        flip = constant_table(m, step, [int(self._descending[c]) for c in channels], name="flip")
        return found ^ Value.cast(flip).replicate(self.bits)
