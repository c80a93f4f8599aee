"""Turns residual words into the next layer's codes, row by row, ahead of the lanes.

Works in steps of four cycles, each on the words of an even and the odd column behind it. A step begins in turn 3 of the
feature map, reads the even word there and the odd one in turn 1, and writes four times: both digits of both. In front
of a strided layer it takes pairs of rows, adds up the four words of each output pixel and writes their mean, the
layer's shortcut, where the upper row's words were.

A row is begun once the layer before has left it and its place in the ring is free; `done_layer` and `done_rows` tell
the sequencer which rows are complete.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.code_order import CodeOrder, step_layout
from fracdse.accelerator.compact.constant_store import ConstantMemory, lanes_layout
from fracdse.compact_plan import LANES, PHASES, SLOTS, CompactPlan


class CodeWriter(wiring.Component):
    """Quantiser and shortcut pooling; see the module's description."""

    def __init__(self, plan: CompactPlan, memory: ConstantMemory, feature_bits: int) -> None:
        self._plan = plan
        self._memory = memory
        self._bits = feature_bits
        layers = plan.layers
        index_bits = plan.index_bits
        self._order = CodeOrder(plan, memory)
        self._step_layout = step_layout(plan)
        super().__init__(
            {
                "turn": In(range(PHASES)),
                "begins_frame": In(1),
                "freed_rows": In(range(3)),
                "written_layer": In(range(len(layers))),
                "written_rows": In(range(max(layer.rows for layer in layers))),
                "done_layer": Out(range(len(layers) + 1)),
                "done_rows": Out(range(max(layer.in_rows for layer in layers) + 1)),
                "fetch": Out(1),
                "fetch_address": Out(range(len(memory.words))),
                "fetched": In(1),
                "thresholds": In(memory.code_words * memory.width),
                "code_address": Out(range(plan.bank_words)),
                "word_read": In(data.ArrayLayout(signed(feature_bits), LANES)),
                "write": Out(1),
                "write_slot": Out(range(SLOTS)),
                "write_index": Out(index_bits),
                "write_column": Out(range(SLOTS)),
                "write_plane": Out(1),
                "write_half": Out(max(1, (plan.group // LANES - 1).bit_length())),
                "write_data": Out(LANES),
                "shortcut_write": Out(1),
                "shortcut_odd": Out(1),
                "shortcut_address": Out(range(plan.bank_words)),
                "shortcut_data": Out(LANES * feature_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.order = order = self._order
        step = order.step
        late = Signal(self._step_layout, name="late_step")
        names = ("turn", "begins_frame", "freed_rows", "written_layer", "written_rows", "fetched")
        m.d.comb += [
            *(getattr(order, name).eq(getattr(self, name)) for name in names),
            self.fetch.eq(order.fetch),
            self.fetch_address.eq(order.fetch_address),
            self.code_address.eq(step.word_address),
        ]
        with m.If(self.turn == 2):
            m.d.sync += late.eq(step)
            with m.If(late.active & late.ends_rows):
                m.d.sync += self.done_rows.eq(self.done_rows + 1 + late.strided)
                with m.If(late.ends_layer):
                    m.d.sync += [self.done_rows.eq(0), self.done_layer.eq(self.done_layer + 1)]
        with m.If(self.begins_frame):
            m.d.sync += [self.done_layer.eq(1), self.done_rows.eq(0)]
        self._codes(m, step, late, order.begins_word)
        self._shortcut(m, step, late)
        return m

    def _codes(self, m: Module, step: data.View, late: data.View, new_word: Value) -> None:
        """Compare words with their thresholds and write the digits."""
        memory = self._memory
        layout = lanes_layout(memory.thresholds.fields)
        thresholds = Signal(layout, name="held_thresholds")
        # The odd word of the step before is coded in turn 2, the even one of this step in turn 0.
        with m.If((self.turn == 3) & new_word):
            m.d.sync += Value.cast(thresholds).eq(self.thresholds[: layout.size])
        leading, trailing, held = (Signal(LANES, name=name) for name in ("leading", "trailing", "held_trailing"))
        for lane in range(LANES):
            msb, lsb = self._digits(self.word_read[lane], thresholds[lane])
            m.d.comb += [leading[lane].eq(msb), trailing[lane].eq(lsb)]
        of = data.View(self._step_layout, Mux(self.turn == 3, Value.cast(late), Value.cast(step)))
        m.d.sync += [
            held.eq(trailing),
            self.write_data.eq(Mux(self.turn[0], held, leading)),
            self.write.eq(of.active),
            self.write_slot.eq(of.slot),
            self.write_index.eq(of.index),
            self.write_column.eq(Cat(self.turn[1], of.odd_pair)),
            self.write_half.eq(of.half),
            self.write_plane.eq(self.turn[0]),
        ]

    def _digits(self, word: Value, thresholds: data.View) -> tuple[Value, Value]:
        """Return both digits of a word's code: how many thresholds it reaches."""
        fields = {field.name: field for field in self._memory.thresholds.fields}

        def threshold(name: str) -> Value:
            value = thresholds[name]
            return value.as_signed() if fields[name].signed else Cat(value, 0).as_signed()

        leading = word >= threshold("middle") if "middle" in fields else ~word[-1]
        upper = threshold("upper")
        if "lower" in fields:
            return leading, word >= Mux(leading, upper, threshold("lower"))
        # word >= −upper is ~word < upper.
        folded = word ^ (~leading).replicate(self._bits).as_signed()
        return leading, (folded >= upper) ^ ~leading

    def _shortcut(self, m: Module, step: data.View, late: data.View) -> None:
        """Add up an output pixel's four words, and offer their mean for a round of turns."""
        if not any(layer.stride == 2 for layer in self._plan.layers):
            return
        bits = self._bits + 2
        with m.If(self.turn == 3):
            m.d.sync += [
                self.shortcut_write.eq(late.active & late.strided & late.lower_row),
                self.shortcut_odd.eq(late.odd_pair),
                self.shortcut_address.eq(late.shortcut_address),
            ]
        for lane in range(LANES):
            total = Signal(signed(bits), name=f"total{lane}")
            before = Mux((self.turn == 0) & ~step.lower_row, 2, total).as_signed()
            with m.If(~self.turn[0]):
                m.d.sync += total.eq(before + self.word_read[lane])
            with m.If(self.turn == 3):
                m.d.sync += self.shortcut_data.word_select(lane, self._bits).eq(total >> 2)
