"""From a lane's sums to the next residual word.

    gate, z = M + gate·L/2  →  side of the split  →  multiplier·z + (offset + residual)  →  saturated word

A lane takes one DSP slice. M/2 comes one cycle before L/2, without a word; `word` describes a result and belongs to
the cycle of L's pixel before its taps (the stem's, which has no L: one cycle after M's). Constants are taken from
`constants`, which follows the words (`field_stages`).
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import as_signed, saturate_word
from fracdse.accelerator.compact.constant_store import lanes_layout
from fracdse.accelerator.compact.constants import PostConstants
from fracdse.accelerator.compact.lanes import Lanes
from fracdse.accelerator.compact.sequencer import word_layout
from fracdse.accelerator.pipeline import Pipeline
from fracdse.compact_plan import LANES, CompactPlan

READ_TO_WRITE_CYCLES = 5


def field_stages(latency: int, fields: list[str]) -> dict[str, int]:
    """Return in how many cycles after a block's first pixel each field is taken over, for lanes of some latency."""
    stages = {"gate": latency, "split": latency + 2}
    return {name: stages.get(name, latency + 3) for name in fields}


class Post(wiring.Component):
    """Gate, multiply-add, residual and saturation; see the module's description."""

    def __init__(self, plan: CompactPlan, constants: PostConstants, lanes: Lanes, feature_bits: int) -> None:
        self._constants = constants
        self._bits = feature_bits
        self._sum_bits = plan.sum_bits
        self._latency = lanes.latency
        self._word = word_layout(plan)
        super().__init__(
            {
                "sums": In(data.ArrayLayout(signed(plan.sum_bits), LANES)),
                "word": In(self._word),
                "constants": In(lanes_layout(constants.fields)),
                "residual_address": Out(range(plan.bank_words)),
                "residual": In(data.ArrayLayout(signed(feature_bits), LANES)),
                "result": Out(data.ArrayLayout(signed(feature_bits), LANES)),
                "result_word": Out(self._word),
                "open_gates": Out(range(LANES + 1)),
                "open_gates_valid": Out(1),
                "open_gates_layer": Out(range(len(plan.layers))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        pipe = Pipeline(m, Const(1))
        # The cycle of L's sums, then that of z.
        word = self._delayed(m, self.word, self._latency + 1)
        at_z = self._delayed(m, word, 1)
        m.d.comb += [
            self.residual_address.eq(at_z.residual_address),
            Value.cast(self.result_word).eq(self._delayed(m, at_z, READ_TO_WRITE_CYCLES)),
        ]
        gates = []
        for lane in range(LANES):
            gate, value = self._sum(m, pipe, lane, word.stem)
            gates.append(gate)
            total = self._multiplied(m, pipe, lane, value)
            m.d.sync += self.result[lane].eq(saturate_word(total >> self._constants.shift, self._bits))
        m.d.sync += [
            self.open_gates.eq(sum(gates[1:], start=gates[0])),
            self.open_gates_valid.eq(word.valid & ~word.stem),
            self.open_gates_layer.eq(word.layer),
        ]
        return m

    def _delayed(self, m: Module, word: data.View, cycles: int) -> data.View:
        value = Value.cast(word)
        for _ in range(cycles):
            later = Signal(len(value), name="later_word", reset_less=True)
            m.d.sync += later.eq(value)
            value = later
        return data.View(self._word, value)

    def _field(self, lane: int, name: str) -> Value:
        value = self.constants[lane][name]
        field = next(field for field in self._constants.fields if field.name == name)
        return value.as_signed() if field.signed else value

    def _sum(self, m: Module, pipe: Pipeline, lane: int, stem: Value) -> tuple[Value, Signal]:
        """Return a lane's gate beside L's sum, and z one cycle later."""
        total = self.sums[lane]
        leading = pipe.register(total, name="leading")
        gate = pipe.register(total >= self._field(lane, "gate"), name="gate")
        z = Signal(signed(self._sum_bits + 2), name=f"z{lane}")
        m.d.sync += z.eq((leading << 1) + Mux(gate & ~stem, total, 0))
        return gate, z

    def _multiplied(self, m: Module, pipe: Pipeline, lane: int, z: Signal) -> Value:
        """Return multiplier·z + offset + residual, four stages after z."""
        upper = pipe.register(z >= self._field(lane, "split"), name="upper")
        z = pipe.register(z, name="late_z")

        def chosen(name: str) -> Value:
            low, high = (self._field(lane, f"{name}_{side}") for side in ("lower", "upper"))
            return Mux(upper, high, low)

        operand, multiplier = pipe.registers(z, chosen("multiplier"))
        product = pipe.register(operand * multiplier, name="product")
        offset = pipe.register(chosen("offset"), name="offset")
        residual = pipe.register(self._residual(lane), name="residual")
        constants = self._constants
        # The residual belongs above the shift's bits: nothing is added below them.
        kept = constants.shift - constants.offset_shift
        offset = _extended(as_signed(offset), kept + 1)
        above = residual + offset[kept:].as_signed()
        addend = pipe.register(Cat(Const(0, constants.offset_shift), offset[:kept], above).as_signed(), name="addend")
        return pipe.register(product + addend, name="total")

    def _residual(self, lane: int) -> Value:
        """Return the residual, shifted as the channel's constant says."""
        value = self.residual[lane]
        shifted = [
            Const(0, signed(1)) if steps is None else value << steps if steps >= 0 else value >> -steps
            for steps in self._constants.residual_shifts
        ]
        width = max(len(entry) for entry in shifted)
        return _chosen(self._field(lane, "residual"), shifted, width)


def _extended(value: Value, bits: int) -> Value:
    """Return a signed value in at least so many bits."""
    return Cat(value, value[-1].replicate(max(0, bits - len(value)))).as_signed()


def _chosen(index: Value, values: list[Value], bits: int) -> Value:
    return Array([_extended(value, bits) for value in values])[index].as_signed()
