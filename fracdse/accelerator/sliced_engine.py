"""A gated convolution by one lane that takes several cycles for a fan-in, a slice of the taps a cycle.

A slice is one column of the window over one group of channels. Work comes in jobs: M of the next channel, or L of the
oldest channel whose gate was found open, which goes first; so a channel's L follows its M by a few jobs, and y leaves
channel by channel. Columns outside the image are skipped, so a job takes `groups` cycles a column inside. The pixel
ends when its last gates are known and their jobs are done.

Timing of a slice, in cycles: issue; taps and weights valid; products counted in threes, rows outside the image masked;
the adder tree; the sum over slices; after a job's last slice, sum and gate.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table
from fracdse.accelerator.compressor_tree import Columns, Counted, add_columns, compress, majority
from fracdse.accelerator.counters import count_up_down
from fracdse.accelerator.lane_counter import lookup
from fracdse.accelerator.lane_queue import lane_queue
from fracdse.accelerator.parity_chain import split
from fracdse.accelerator.pipeline import delayed
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.sliced_window import SlicedWindow, index_bits
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.sum_collector import gated_sum
from fracdse.accelerator.sum_format import BitArray, SumFormat
from fracdse.accelerator.weight_memory import weight_memory
from fracdse.accelerator.window_types import WindowGeometry
from fracdse.folding import SLICED_KERNEL as KERNEL
from fracdse.folding import Memory
from fracdse.program.model import GatedConvProgram

# Channels between the start of M and the end of y; more than the jobs that hide the lane's latency.
_IN_FLIGHT = 16


class SlicedEngine(wiring.Component):
    """Window and lane; see the module's description.

    Args:
        geometry: Of the window; the kernel is 3, the number of channels even.
        program: Weights and thresholds.
        schedule: Order of the output channels; one lane.
        inputs: The channel at each position of a pixel, as they arrive.
        codes: Codes a beat of `activations`: a divisor of a group's channels, or the channels of a pixel.
        slices: Cycles a fan-in takes.
        kind: Where the weights lie.
        y_bits: Width of y.

    open_gates, open_gates_valid: an open gate, one at a time.
    """

    def __init__(
        self,
        geometry: WindowGeometry,
        program: GatedConvProgram,
        schedule: Schedule,
        inputs: tuple[int, ...],
        *,
        codes: int,
        slices: int,
        kind: Memory,
        y_bits: int,
    ) -> None:
        self.geometry, self.program, self.schedule, self.inputs = geometry, program, schedule, inputs
        self.groups, self.kind, self.y_bits = slices // KERNEL, kind, y_bits
        self.form = SumFormat(geometry.taps, halved=True, odd=0)
        self.window = SlicedWindow(geometry, self.groups, codes)
        super().__init__(
            {
                "activations": In(lanes_stream(unsigned(2), codes)),
                "sums": Out(lanes_stream(signed(y_bits), 1)),
                "open_gates": Out(1),
                "open_gates_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect window, jobs, lane and the two queues of sums."""
        m = Module()
        m.submodules.window = window = self.window
        wiring.connect(m, wiring.flipped(self.activations), window.activations)
        job = self._jobs(m)
        counted = self._lane(m, job)
        latency = counted.latency + 2
        valid, first = (delayed(m, value, latency) for value in (job.issue, job.first))
        total = Signal(signed(self.form.bits), name="total", reset_less=True)
        start = self._start(m, delayed(m, window.border, latency))
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, start, total) + counted.value)
        leads, follows = (delayed(m, job.last & plane, latency + 1) for plane in (~job.trailing, job.trailing))
        held = self._gates(m, job, total, leads)
        self._collect(m, job, held, delayed(m, follows, 1))
        return m

    def _jobs(self, m: Module) -> _Job:
        """Choose the jobs and issue their slices."""
        window, steps = self.window, self.schedule.steps
        job = _Job(index_bits(steps), index_bits(self.groups))
        active, lead_step, leads_left = Signal(), Signal(index_bits(steps)), Signal(init=1)
        left, right = window.border[1], window.border[3]
        last_group = job.group == self.groups - 1
        chosen, open_steps, unknown = Signal(), _counter("open_steps"), _counter("unknown_gates")
        m.d.comb += [
            job.issue.eq(active & ~window.busy),
            job.last.eq(job.issue & (job.offset == Mux(right, 1, 2)) & last_group),
            chosen.eq(window.pending & (~active | job.last)),
            job.follow.eq(chosen & (open_steps != 0)),
            job.lead.eq(chosen & (open_steps == 0) & leads_left & (job.in_flight != _IN_FLIGHT)),
            window.done.eq(window.pending & (~active | job.last) & ~leads_left & (open_steps == 0) & (unknown == 0)),
            window.column.eq(window.first_column + job.offset),
            window.group.eq(job.group),
            window.plane.eq(job.trailing),
        ]
        opens = job.gate_valid & job.gate
        count_up_down(m, open_steps, opens, job.follow)
        count_up_down(m, unknown, job.lead, job.gate_valid)
        head = lane_queue(m, "open", _IN_FLIGHT, job.gate_step, opens, job.follow)
        with m.If(job.issue):
            m.d.sync += [job.group.eq(Mux(last_group, 0, job.group + 1)), job.first.eq(0)]
            with m.If(last_group):
                m.d.sync += job.offset.eq(job.offset + 1)
        with m.If(job.follow | job.lead):
            m.d.sync += [active.eq(1), job.first.eq(1), job.offset.eq(left)]
            m.d.sync += [job.trailing.eq(job.follow), job.step.eq(Mux(job.follow, head, lead_step))]
        with m.Elif(job.last):
            m.d.sync += active.eq(0)
        with m.If(job.lead):
            ends = lead_step == steps - 1
            m.d.sync += [lead_step.eq(Mux(ends, 0, lead_step + 1)), leads_left.eq(~ends)]
        with m.If(window.done):
            m.d.sync += leads_left.eq(1)
        return job

    def _lane(self, m: Module, job: _Job) -> Counted:
        """Count the products of a slice that are +1: `latency` + 2 cycles after its issue."""
        size = self.window.size
        taps = Signal(KERNEL * size, name="taps", reset_less=True)
        m.d.sync += taps.eq(self.window.taps)
        address = Cat(job.step, *([job.group] if self.groups > 1 else []), job.offset)
        weights = weight_memory(m, "weights", address, self._weight_rows(), self.kind)
        border = delayed(m, self.window.border, 1)
        columns: Columns = {}
        for row in range(KERNEL):
            products = (taps ^ weights)[row * size : (row + 1) * size]
            a, b, c, rest = split(products)
            counted = Signal(2 * len(a) + len(rest), name=f"row{row}", reset_less=True)
            m.d.sync += counted.eq(Cat(majority(a, b, c), a ^ b ^ c, rest))
            if row != 1:
                with m.If(border[row]):
                    m.d.sync += counted.eq(0)
            add_columns(columns, {0: [counted[len(a) :]], 1: [counted[: len(a)]]})
        return compress(m, [columns], (KERNEL * size).bit_length(), register_inputs=False)

    def _weight_rows(self) -> BitArray:
        """Return v by address (step, then group, then column), each word by row and channel."""
        size, steps = self.window.size, self.schedule.steps
        ordered = np.asarray(self.program.weight)[list(self.schedule.order)][:, list(self.inputs)] < 0
        rows = np.zeros((KERNEL, 1 << (self.groups - 1).bit_length(), 1 << index_bits(steps), KERNEL, size), dtype=bool)
        slices = ordered.reshape(steps, self.groups, size, KERNEL, KERNEL).transpose(4, 1, 0, 3, 2)
        rows[:, : self.groups, :steps] = slices
        return rows.reshape(-1, KERNEL * size)

    def _start(self, m: Module, border: Value) -> Value:
        """Return what the sum over slices starts from: minus half the taps inside the image."""
        starts = []
        for flags in range(16):
            top, left, bottom, right = (flags >> i & 1 for i in range(4))
            starts.append(-self.geometry.channels * (KERNEL - top - bottom) * (KERNEL - left - right) // 2)
        return constant_table(m, border, starts, name="start")

    def _gates(self, m: Module, job: _Job, total: Value, leads: Value) -> Signal:
        """Compare M with its threshold; return the sum beside the gate, a cycle after `total`."""
        step, last = Signal(index_bits(self.schedule.steps), name="threshold_step"), Signal()
        width = self.form.bits + 1
        thresholds = self.form.threshold(self.program.gate_threshold[list(self.schedule.order)])
        words = [int(value) % (1 << width) for value in thresholds]
        held = Signal(self.form.bits, reset_less=True)
        m.d.comb += last.eq(step == self.schedule.steps - 1)
        with m.If(leads):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
        m.d.sync += [
            job.gate.eq(total.as_signed() >= lookup(step, words, width).as_signed()),
            job.gate_step.eq(step),
            job.gate_valid.eq(leads),
            held.eq(total),
        ]
        m.d.comb += [self.open_gates.eq(1), self.open_gates_valid.eq(job.gate_valid & job.gate)]
        return held

    def _collect(self, m: Module, job: _Job, held: Value, followed: Value) -> None:
        """Queue M with its gate and L of open gates; y leaves channel by channel."""
        leading, trailing, take = _counter("leading_level"), _counter("trailing_level"), Signal()
        entry = lane_queue(m, "leading", _IN_FLIGHT, Cat(held, job.gate), job.gate_valid, take)
        gate = entry[-1]
        follower = lane_queue(m, "trailing", _IN_FLIGHT, held, followed, take & gate)
        free = ~self.sums.valid | self.sums.ready
        m.d.comb += take.eq((leading != 0) & (~gate | (trailing != 0)) & free)
        count_up_down(m, leading, job.gate_valid, take)
        count_up_down(m, trailing, followed, take & gate)
        count_up_down(m, job.in_flight, job.lead, take)
        with m.If(free):
            m.d.sync += self.sums.valid.eq(take)
        with m.If(take):
            m.d.sync += self.sums.payload[0].eq(gated_sum(entry[:-1], follower, gate, self.form, self.y_bits))


class _Job:
    """The job at work, and what is known of those before it.

    issue: a slice is issued. first, last: of its job. trailing: its plane. step, group, offset: channel, group of
    inputs, column of the window. lead, follow: a job for M or L is chosen. gate_valid, gate, gate_step: a gate becomes
    known. in_flight: channels between choice and y.
    """

    def __init__(self, step_bits: int, group_bits: int) -> None:
        self.issue, self.first, self.last, self.trailing = (Signal(name=n) for n in ("issue", "first", "last", "plane"))
        self.step, self.group = Signal(step_bits, name="step"), Signal(group_bits, name="group")
        self.offset = Signal(range(KERNEL), name="offset")
        self.lead, self.follow = Signal(name="lead"), Signal(name="follow")
        self.gate_valid, self.gate = Signal(name="gate_valid"), Signal(name="gate")
        self.gate_step = Signal(step_bits, name="gate_step")
        self.in_flight = _counter("in_flight")


def _counter(name: str) -> Signal:
    return Signal(range(_IN_FLIGHT + 1), name=name)
