"""Turns residual words into the next layer's codes, row by row, ahead of the lanes.

Works in steps of four cycles, each on the words of an even and the odd column behind it. A step begins in turn 3 of the
feature map, reads the even word there and the odd one in turn 1, and writes four times: both digits of both. In front
of a strided layer it takes pairs of rows, adds up the four words of each output pixel and writes their mean, the
layer's shortcut, where the upper row's words were.

A row is begun once the layer before has left it and its place in the ring is free; `done_layer` and `done_rows` tell
the sequencer which rows are complete.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table
from fracdse.accelerator.compact.constant_store import ConstantMemory, lanes_layout
from fracdse.accelerator.compact.sequencer import PHASES
from fracdse.accelerator.pipeline import delayed
from fracdse.compact_plan import LANES, SLOTS, CompactLayer, CompactPlan


class CodeWriter(wiring.Component):
    """Quantiser and shortcut pooling; see the module's description."""

    def __init__(self, plan: CompactPlan, memory: ConstantMemory, feature_bits: int) -> None:
        self._plan = plan
        self._memory = memory
        self._bits = feature_bits
        layers = plan.layers
        index_bits = (plan.store_depth // 2 - 1).bit_length()
        self._step_layout = data.StructLayout(
            {
                "active": 1,
                "strided": 1,
                "lower_row": 1,
                "ends_rows": 1,
                "ends_layer": 1,
                "slot": range(SLOTS),
                "index": index_bits,
                "odd_pair": 1,
                "half": max(1, (plan.group // LANES - 1).bit_length()),
                "shortcut_address": range(plan.bank_words),
            }
        )
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
        step = Signal(self._step_layout, name="step")
        late = Signal(self._step_layout, name="late_step")
        loop = _Loop(m, self, step)
        with m.If(self.turn == 2):
            m.d.sync += late.eq(step)
            with m.If(late.active & late.ends_rows):
                m.d.sync += self.done_rows.eq(self.done_rows + 1 + late.strided)
                with m.If(late.ends_layer):
                    m.d.sync += [self.done_rows.eq(0), self.done_layer.eq(self.done_layer + 1)]
        with m.If(self.begins_frame):
            m.d.sync += [self.done_layer.eq(1), self.done_rows.eq(0)]
        self._codes(m, step, late, loop.new_word)
        self._shortcut(m, step, late)
        return m

    def table(self, m: Module, layer: Value, of: Callable[[CompactLayer, CompactLayer], int]) -> Signal:
        """Return a number of a layer and the one before it, one cycle after the layer's number; 0 has none."""
        pairs = zip(self._plan.layers[1:], self._plan.layers[:-1], strict=True)
        value = constant_table(m, layer, [0, *(of(this, before) for this, before in pairs)], name="of_layer")
        held = Signal(value.shape(), name="held")
        m.d.sync += held.eq(value)
        return held

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


class _Loop:
    """The loops over rows, words, pairs of columns and rows of a pair; sets `step` at the end of turn 2.

    `new_word`: the step is the first of a word of channels.
    """

    def __init__(self, m: Module, unit: CodeWriter, step: data.View) -> None:
        plan, layers = unit._plan, unit._plan.layers
        self.new_word = Signal()
        layer = Signal(range(len(layers) + 1), init=1)
        row, rows_used = Signal(range(max(spec.in_rows for spec in layers))), Signal(range(plan.ring_rows + 8), init=1)
        word, pair, lower = (
            Signal(range(max(spec.words for spec in layers))),
            Signal(range(max(spec.in_columns for spec in layers) // 2)),
            Signal(),
        )
        half = Signal(max(1, (plan.group // LANES - 1).bit_length()))
        strided = unit.table(m, layer, lambda spec, _: int(spec.stride == 2))
        last_row = row + strided == unit.table(m, layer, lambda spec, _: spec.in_rows - 1)
        last_word = word == unit.table(m, layer, lambda spec, _: spec.in_words - 1)
        last_pair = pair == unit.table(m, layer, lambda spec, _: spec.half_in_columns - 1)
        slots = unit.table(m, layer, lambda spec, _: spec.column_slots)
        half_columns = unit.table(m, layer, lambda spec, _: spec.half_in_columns)
        row_step = unit.table(m, layer, lambda _, before: plan.row_step(before))
        row_start = unit.table(m, layer, lambda _, before: plan.row_start(before))

        begins_word = (pair == 0) & ~lower
        begins_rows = begins_word & (word == 0)
        have, go, allowed = Signal(), Signal(), Signal()
        finished = layer == len(layers)
        rows_after = Signal(len(row) + 3)
        limit = Mux(unit.written_layer == 0, 1 + plan.early_rows, plan.ring_rows)
        m.d.comb += rows_after.eq(row + strided + 1)
        m.d.sync += allowed.eq(
            ~finished
            & (rows_used + 1 + strided <= limit)
            & ((layer == unit.written_layer) | ((layer == unit.written_layer + 1) & (rows_after <= unit.written_rows)))
        )
        m.d.comb += go.eq((unit.turn == 2) & (allowed | ~begins_rows) & (have | ~begins_word))
        with m.If(unit.turn == 2):
            m.d.sync += [step.active.eq(go), self.new_word.eq(go & begins_word)]

        # Memory: the upper row's words, those of the present word of channels, and the codes' place.
        base, offset, word_base = (
            Signal(range(plan.bank_words), name=name) for name in ("base", "offset", "word_base")
        )
        index = Signal((plan.store_depth // 2 - 1).bit_length(), name="group_index")
        position = Signal(range(plan.ring_rows), init=plan.ring_rows - plan.early_rows)
        place = Signal.like(position, name="place")
        m.d.comb += place.eq(position + lower)
        ring = place[2:] << (plan.ring_entries - 1).bit_length() if plan.ring_rows > SLOTS else Const(0)
        with m.If(go):
            m.d.sync += [
                unit.code_address.eq(Mux(lower, base + row_step, base) + offset),
                step.strided.eq(strided),
                step.lower_row.eq(lower),
                step.ends_rows.eq(last_pair & last_word & (lower | ~strided)),
                step.ends_layer.eq(last_row),
                step.slot.eq(place[:2]),
                step.index.eq((index + pair[1:]) | ring),
                step.odd_pair.eq(pair[0]),
                step.half.eq(half),
                step.shortcut_address.eq(base + word_base + pair[1:]),
                lower.eq(~lower & strided),
            ]
            with m.If(lower | ~strided):
                m.d.sync += [pair.eq(Mux(last_pair, 0, pair + 1)), offset.eq(offset + 1)]
                with m.If(last_pair):
                    m.d.sync += [word.eq(word + 1), word_base.eq(word_base + half_columns)]
                    if plan.group > LANES:
                        m.d.sync += half.eq(~half)
                    with m.If(half == plan.group // LANES - 1):
                        m.d.sync += index.eq(index + slots)
                    with m.If(last_word):
                        m.d.sync += [word.eq(0), half.eq(0), index.eq(0), offset.eq(0), word_base.eq(0)]
                        m.d.sync += [position.eq(position + 1 + strided), row.eq(row + 1 + strided)]
                        m.d.sync += base.eq(base + Mux(strided, row_step << 1, row_step))
                        with m.If(last_row):
                            m.d.sync += [row.eq(0), layer.eq(layer + 1)]
        entered = go & last_pair & last_word & last_row & (lower | ~strided)
        with m.If(delayed(m, entered | unit.begins_frame, 2)):
            m.d.sync += base.eq(row_start)
        started = go & begins_rows
        m.d.sync += rows_used.eq(rows_used + Mux(started, 1 + strided, 0) - unit.freed_rows)
        with m.If(unit.begins_frame):
            m.d.sync += [
                layer.eq(1),
                row.eq(0),
                rows_used.eq(1),
                position.eq(plan.ring_rows - plan.early_rows),
            ]
        self._thresholds(m, unit, have, finished, go & begins_word, last_word, last_row, layer)

    def _thresholds(
        self, m: Module, unit: CodeWriter, have: Signal, finished: Value, used: Value, last_word: Value,
        last_row: Value, layer: Value,
    ) -> None:  # fmt: skip
        """Fetch the next word's thresholds when those at hand go into use."""
        memory, layers = unit._memory, len(unit._plan.layers)
        first_of_all = memory.first_threshold
        first = Signal.like(unit.fetch_address, init=first_of_all)
        address = Signal.like(unit.fetch_address, init=first_of_all)
        following = Signal.like(unit.fetch_address)
        m.d.comb += following.eq(address + memory.code_words)
        with m.If(used):
            m.d.sync += [have.eq(0), address.eq(following)]
            with m.If(last_word & ~last_row):
                m.d.sync += address.eq(first)
            with m.Elif(last_word & last_row):
                m.d.sync += first.eq(following)
                with m.If(layer == layers - 1):
                    m.d.sync += [address.eq(first_of_all), first.eq(first_of_all)]
        with m.Elif(unit.fetched):
            m.d.sync += have.eq(1)
        begin = Signal(init=1)
        m.d.sync += begin.eq(0)
        # Two cycles later those in use are in their own registers.
        m.d.comb += [unit.fetch.eq(delayed(m, used, 3) | begin), unit.fetch_address.eq(address)]
