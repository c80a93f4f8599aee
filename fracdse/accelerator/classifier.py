"""Linear classifier: one multiply-accumulate a lane and cycle over the pooled features of a frame.

Stream in: `pooled`, features in a layer's schedule, one frame after the other. Stream out: `logits`, class 0 first;
`last` is set beside a frame's last class. Lane p computes class g·lanes + p in group g: a group takes as many cycles
as there are features, some more, and one for each of its logits. Two frames of features are held, so that one can
arrive while the other is computed. A lane takes one DSP slice, or none in a power-of-two design.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table, shape_of
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.rom import Rom
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.storage import Storage, power_of_two_at_least
from fracdse.accelerator.streams import lanes_stream
from fracdse.folding import Memory as WeightMemory
from fracdse.program.fixed_point import LOGIT_BITS
from fracdse.program.model import ClassifierProgram


class Classifier(wiring.Component):
    """logit = Σ weight·p + bias; see the module's description.

    Args:
        program: Weights and biases.
        schedule: Order of the features on `pooled`.
        lanes: Classes computed at once; divides their number.
        weight_memory: Where the weights lie: block RAM for 'bram' and 'mixed', LUT logic for the others.
        pooled_bits: Width of a feature.
        use_dsp: Whether products are taken by DSP slices, or added up from shifted features in LUTs.
        weight_bits: Least width of a stored weight.
    """

    def __init__(
        self,
        program: ClassifierProgram,
        schedule: Schedule,
        *,
        lanes: int,
        weight_memory: WeightMemory,
        pooled_bits: int,
        use_dsp: bool = True,
        weight_bits: int = 1,
    ) -> None:
        self._program = program
        self._schedule = schedule
        self._lanes = lanes
        self._memory = weight_memory
        self._pooled_bits = pooled_bits
        self._use_dsp = use_dsp
        self._weight_bits = weight_bits
        self._groups = program.weight.shape[0] // lanes
        super().__init__(
            {
                "pooled": In(lanes_stream(signed(pooled_bits), schedule.lanes)),
                "logits": Out(stream.Signature(signed(LOGIT_BITS))),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        frames, frame_done = Signal(range(3)), Signal()
        running, free = Signal(), Signal(init=1)
        step, last_step, lane, last_lane = self._feature_counters(m, running)
        group = Signal(range(max(self._groups, 2)))
        first, last = (step == 0) & (lane == 0), last_step & last_lane
        last_group = group == self._groups - 1
        with m.If(running & last):
            m.d.sync += [running.eq(0), group.eq(Mux(last_group, 0, group + 1))]
        with m.Elif(free & (frames != 0)):
            m.d.sync += [running.eq(1), free.eq(0)]
        m.d.comb += frame_done.eq(running & last & last_group)

        feature = self._features(m, frames, frame_done, step, lane)
        weights = self._weights(m, running, frame_done)
        operand = Signal(signed(self._pooled_bits), reset_less=True)
        m.d.sync += operand.eq(feature)
        products = [self._product(m, operand, weight) for weight in weights]
        # One cycle for the memories, one for the operands, some for the product, one for the sum.
        ready = 2 + products[0].latency
        group = _delayed(m, group, ready)[ready]
        stages = _delayed(m, Cat(running, first, last, last_group), ready + 1)
        sums = []
        for index, product in enumerate(products):
            biases = [int(value) for value in self._program.bias[index :: self._lanes]]
            sums.append(self._sum(m, product.value, group, biases, stages[ready]))
        self._send(m, sums, stages[ready + 1], free)
        return m

    def _feature_counters(self, m: Module, running: Value) -> tuple[Value, Value, Value, Value]:
        """Count through the features in the order in which they came: step by step, lane by lane."""
        lane, last_lane = step_counter(m, self._schedule.lanes, running)
        step, last_step = step_counter(m, self._schedule.steps, running & last_lane)
        return step, last_step, lane, last_lane

    def _features(self, m: Module, frames: Signal, frame_done: Value, step: Value, lane: Value) -> Value:
        """Keep two frames of features; return the one that `step` and `lane` named a cycle before."""
        steps, lanes, bits = self._schedule.steps, self._schedule.lanes, self._pooled_bits
        stride = power_of_two_at_least(steps)
        m.submodules.features = memory = Storage(lanes * bits, 2 * stride)
        taken, arrived, half_in, half_out = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [self.pooled.ready.eq(frames < 2), taken.eq(self.pooled.valid & self.pooled.ready)]
        step_in, last_in = step_counter(m, steps, taken)
        m.d.comb += arrived.eq(taken & last_in)
        m.d.sync += [
            half_in.eq(half_in ^ arrived),
            half_out.eq(half_out ^ frame_done),
            frames.eq(frames + arrived - frame_done),
        ]
        width = (stride - 1).bit_length()
        m.d.comb += [
            memory.write_address.eq(Cat(step_in[:width], half_in)),
            memory.write_data.eq(self.pooled.payload),
            memory.write_enable.eq(taken),
            memory.read_address.eq(Cat(step[:width], half_out)),
            memory.read_enable.eq(1),
        ]
        words = Array([memory.read_data.word_select(i, bits).as_signed() for i in range(lanes)])
        return words[_delayed(m, lane, 1)[1]]

    def _weights(self, m: Module, running: Value, frame_done: Value) -> list[Value]:
        """Read the weights of all lanes, group by group; return them two cycles after their address."""
        weight = self._program.weight
        ordered = weight.reshape(self._groups, self._lanes, -1)[:, :, list(self._schedule.order)]
        bits = max(self._weight_bits, shape_of([*(int(value) for value in weight.flat), -1]).width)
        mask = (1 << bits) - 1
        words = [
            sum((int(value) & mask) << (bits * lane) for lane, value in enumerate(ordered[group, :, feature]))
            for group in range(self._groups)
            for feature in range(ordered.shape[2])
        ]
        m.submodules.weights = rom = Rom(words, bits * self._lanes, block=self._memory == "bram")
        address = Signal(range(max(len(words), 2)))
        with m.If(running):
            m.d.sync += address.eq(Mux(frame_done, 0, address + 1))
        m.d.comb += rom.address.eq(address)
        held = Signal.like(rom.data, name="weight_words", reset_less=True)
        m.d.sync += held.eq(rom.data)
        return [held.word_select(lane, bits).as_signed() for lane in range(self._lanes)]

    def _product(self, m: Module, operand: Value, weight: Value) -> _Product:
        """Multiply in a DSP slice, or add the operand once a bit of the weight, shifted, in pairs."""
        if self._use_dsp:
            return _Product(_registered(m, operand * weight), 1)
        rows = [Mux(weight[bit], operand, 0).as_signed() << bit for bit in range(len(weight) - 1)]
        rows.append(-(Mux(weight[-1], operand, 0).as_signed() << (len(weight) - 1)))
        latency = 0
        while len(rows) > 1 or not latency:
            pairs = [sum(rows[first + 1 : first + 2], start=rows[first]) for first in range(0, len(rows), 2)]
            rows, latency = [_registered(m, pair) for pair in pairs], latency + 1
        return _Product(rows[0], latency)

    def _sum(self, m: Module, product: Value, group: Value, biases: list[int], marks: Value) -> Signal:
        """Add products up; the sum starts from the bias where `marks` says 'first'."""
        bias = constant_table(m, group, biases, name="bias")
        total = Signal(signed(LOGIT_BITS), name="total", reset_less=True)
        with m.If(marks[0]):
            m.d.sync += total.eq(Mux(marks[1], bias, total) + product)
        return total

    def _send(self, m: Module, sums: list[Signal], marks: Value, free: Signal) -> None:
        """Take the sums of a group and give them out one by one; then the next group may start."""
        left = Signal(range(self._lanes + 1))
        ends_frame = Signal()
        held = [Signal(signed(LOGIT_BITS), name=f"logit{lane}", reset_less=True) for lane in range(self._lanes)]
        m.d.comb += [
            self.logits.valid.eq(left != 0),
            self.logits.payload.eq(held[0]),
            self.last.eq(ends_frame & (left == 1)),
        ]
        with m.If(marks[0] & marks[2]):
            m.d.sync += [left.eq(self._lanes), ends_frame.eq(marks[3])]
            m.d.sync += (register.eq(total) for register, total in zip(held, sums, strict=True))
        with m.Elif(self.logits.valid & self.logits.ready):
            m.d.sync += left.eq(left - 1)
            m.d.sync += (held[lane].eq(held[lane + 1]) for lane in range(self._lanes - 1))
            with m.If(left == 1):
                m.d.sync += free.eq(1)


@dataclass(frozen=True)
class _Product:
    """A product, `latency` cycles after its operands."""

    value: Value
    latency: int


def _registered(m: Module, value: Value) -> Signal:
    register = Signal.like(value, name="product", reset_less=True)
    m.d.sync += register.eq(value)
    return register


def _delayed(m: Module, value: Value, cycles: int) -> list[Value]:
    """Return the value now and one to `cycles` cycles later, all 0 after reset."""
    stages = [value]
    for _ in range(cycles):
        register = Signal.like(stages[-1], name="delayed", init=0)
        m.d.sync += register.eq(stages[-1])
        stages.append(register)
    return stages
