"""A gated convolution whose lanes take several steps a pixel: scheduler, taps, lanes and collector put together.

Timing of one step, in cycles: issue; taps, step and weights valid; then the latency of the adder tree; then one
cycle for the gates. Each lane's threshold comes from a table indexed by a counter, since gates arrive in the order
of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compressor_tree import Counted
from fracdse.accelerator.lane_counter import (
    FUSED_STEPS,
    encoded_weights,
    fused_lane,
    lookup,
    stored_lane,
)
from fracdse.accelerator.parity_chain import ParityChain, parity_chain
from fracdse.accelerator.pass_scheduler import PassScheduler
from fracdse.accelerator.pipeline import delayed
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.sum_collector import SumCollector
from fracdse.accelerator.sum_format import (
    BitArray,
    IntTable,
    balanced_weights,
    border_sums,
    inverted_weights,
    padded_taps,
    sum_format,
)
from fracdse.accelerator.tap_array import TapArray
from fracdse.accelerator.weight_memory import WeightAddress, mixed_weight_memory, weight_memory
from fracdse.accelerator.window_types import WindowGeometry
from fracdse.folding import BLOCK_MEMORIES, Memory
from fracdse.program.model import GatedConvProgram

_BRAM_ROWS = 512
_CYCLES_AROUND_THE_TREE = 5


@dataclass(frozen=True)
class LaneWeights:
    """What the lanes of a layer know.

    rows: v, of shape (positions, 2^border_bits or 1, taps). sums: E, of shape (positions, 2^border_bits).
    """

    rows: BitArray
    sums: IntTable
    memory: Memory

    @classmethod
    def of(cls, program: GatedConvProgram, geometry: WindowGeometry, schedule: Schedule, kind: Memory) -> LaneWeights:
        """Choose balanced weights a border where a block RAM has the rows to spare, and a table of E elsewhere."""
        inverted, padded = inverted_weights(program, schedule), padded_taps(geometry)
        step_rows = 1 << max(1, (schedule.steps - 1).bit_length())
        if kind in BLOCK_MEMORIES and step_rows << geometry.border_bits <= _BRAM_ROWS:
            rows = balanced_weights(inverted, padded)
            signs = 1 - 2 * rows.astype("int64")
            sums = (signs * padded).sum(axis=2) - geometry.taps
            return cls(rows, sums, kind)
        return cls(inverted[:, None, :], border_sums(inverted, padded), kind)


class FoldedEngine(wiring.Component):
    """Compute y from columns; ports as in `GatedConv`, which owns the window."""

    def __init__(
        self,
        geometry: WindowGeometry,
        program: GatedConvProgram,
        schedule: Schedule,
        kind: Memory,
        y_bits: int,
    ) -> None:
        self.geometry, self.program, self.schedule = geometry, program, schedule
        self.weights = LaneWeights.of(program, geometry, schedule, kind)
        self.form = sum_format(self.weights.sums, geometry.taps)
        self.y_bits = y_bits
        self.fused = kind == "logic" and schedule.steps <= FUSED_STEPS
        super().__init__(
            {
                "columns": In(stream.Signature(geometry.column_layout)),
                "sums": Out(lanes_stream(signed(y_bits), schedule.lanes)),
                "open_gates": Out(schedule.channels.bit_length()),
                "open_gates_valid": Out(1),
            }
        )

    @property
    def lag(self) -> int:
        """Pixels between a leading pass and its trailing pass: enough to hide the lanes' latency."""
        hidden = self.schedule.steps + self.schedule.steps // 4 + 1
        return max(1, -(-(self._expected_latency + _CYCLES_AROUND_THE_TREE) // hidden))

    @property
    def pixel_slots(self) -> int:
        """Pixels whose sums may be on their way at once."""
        return self.lag + 3

    @property
    def trailing_slots(self) -> int:
        """Pixels whose trailing sums may be on their way at once."""
        return 2 if self.schedule.steps >= FUSED_STEPS else self.pixel_slots

    @property
    def _expected_latency(self) -> int:
        return 5 if self.geometry.taps <= 512 else 6

    def elaborate(self, platform: object) -> Module:
        """Connect the parts."""
        m = Module()
        lanes, steps = self.schedule.lanes, self.schedule.steps
        m.submodules.scheduler = scheduler = PassScheduler(
            self.geometry, lanes, steps, self.lag, self.pixel_slots, self.trailing_slots
        )
        m.submodules.taps = taps = TapArray(self.geometry)
        m.submodules.collector = collector = SumCollector(
            lanes, steps, self.form, self.y_bits, self.pixel_slots, self.trailing_slots
        )
        wiring.connect(m, wiring.flipped(self.columns), scheduler.columns)
        wiring.connect(m, wiring.flipped(self.sums), collector.sums)
        m.d.comb += [
            taps.shift.eq(scheduler.shift),
            taps.row_start.eq(scheduler.row_start),
            taps.column.eq(scheduler.plane),
            scheduler.pixel_done.eq(collector.pixel_done),
            self.open_gates.eq(scheduler.open_gates),
            self.open_gates_valid.eq(scheduler.open_gates_valid),
        ]
        counted = self._lanes(m, scheduler, taps.taps)
        self._gates(m, scheduler, collector, counted)
        return m

    def _lanes(self, m: Module, scheduler: PassScheduler, taps: Value) -> list[Counted]:
        """Add the lanes."""
        chain = parity_chain(m, taps)
        border = Signal(self.geometry.border_bits, name="window_border", reset_less=True)
        m.d.sync += border.eq(scheduler.border)
        return [self._lane(m, lane, scheduler, chain, border) for lane in range(self.schedule.lanes)]

    def _lane(self, m: Module, lane: int, scheduler: PassScheduler, chain: ParityChain, border: Value) -> Counted:
        """Add one lane with the weight memory of the layer."""
        rows, sums = self.weights.rows[lane :: self.schedule.lanes], self.weights.sums[lane :: self.schedule.lanes]
        step = Signal(scheduler.step_bits, name=f"lane_step{lane}", reset_less=True)
        m.d.sync += step.eq(scheduler.step[lane])
        if self.fused:
            return fused_lane(m, chain, step, border, rows[:, 0], sums, self.form)
        early, name, kind = WeightAddress(scheduler.border, scheduler.step[lane]), f"weights{lane}", self.weights.memory
        encoded = encoded_weights(rows.reshape(-1, rows.shape[-1]))
        if rows.shape[1] == 1:
            weights = weight_memory(m, name, early.step, encoded, kind)
        elif kind == "mixed":
            channels = self.geometry.channels
            weights = mixed_weight_memory(m, name, early, WeightAddress(border, step), encoded, channels)
        else:
            weights = weight_memory(m, name, Cat(early.border, early.step), encoded, kind)
        return stored_lane(m, chain, weights, step, border, sums, self.form)

    def _gates(self, m: Module, scheduler: PassScheduler, collector: SumCollector, counted: list[Counted]) -> None:
        """Compare the leading sums with their thresholds and hand all sums on."""
        latency = counted[0].latency + 1
        leading = delayed(m, scheduler.leading, latency)
        step = Signal(scheduler.step_bits, name="threshold_step")
        with m.If(leading):
            m.d.sync += step.eq(step + 1)
            with m.If(step == self.schedule.steps - 1):
                m.d.sync += step.eq(0)
        gates = Signal(self.schedule.lanes)
        counts = Signal(self.schedule.lanes * self.form.bits, reset_less=True)
        thresholds = self.form.threshold(self.program.gate_threshold[list(self.schedule.order)])
        width = self.form.bits + 1
        for lane, count in enumerate(counted):
            words = [int(value) % (1 << width) for value in thresholds[lane :: self.schedule.lanes]]
            m.d.sync += gates[lane].eq(count.value.as_signed() >= lookup(step, words, width).as_signed())
        m.d.sync += counts.eq(Cat(count.value for count in counted))
        m.d.comb += [
            scheduler.gates.eq(gates),
            scheduler.gates_valid.eq(collector.leading_valid),
            collector.gates.eq(gates),
            collector.counts.eq(counts),
            collector.leading_valid.eq(delayed(m, leading, 1)),
            collector.trailing_valid.eq(delayed(m, scheduler.trailing, latency + 1)),
            collector.pixel_complete.eq(delayed(m, scheduler.trailing_last, latency + 1)),
        ]
