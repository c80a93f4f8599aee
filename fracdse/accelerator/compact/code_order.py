"""The order in which codes are made: layer, rows, word of channels, pair of columns, and the rows of a pair.

A step is the words of an even and the odd column behind it; it is chosen at the end of turn 2. Rows are begun once the
layer before has written them and their place in the ring of codes is free. In front of a strided layer rows go in
pairs, and a step on the upper row is followed by that on the lower one. Thresholds of the next word of channels are
fetched as soon as those at hand go into use.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import registered_table
from fracdse.accelerator.compact.constant_store import ConstantMemory
from fracdse.accelerator.pipeline import delayed
from fracdse.compact_plan import LANES, PHASES, SLOTS, CompactLayer, CompactPlan


def step_layout(plan: CompactPlan) -> data.StructLayout:
    """Describe a step: its rows and words, where its words are read, and where its codes and its shortcut go."""
    return data.StructLayout(
        {
            "active": 1,
            "strided": 1,
            "lower_row": 1,
            "ends_rows": 1,
            "ends_layer": 1,
            "word_address": range(plan.bank_words),
            "slot": range(SLOTS),
            "index": plan.index_bits,
            "odd_pair": 1,
            "half": max(1, (plan.group // LANES - 1).bit_length()),
            "shortcut_address": range(plan.bank_words),
        }
    )


class CodeOrder(wiring.Component):
    """Loops over the steps; see the module's description.

    begins_word: the step is the first of a word of channels. `freed_rows`, `written_layer` and `written_rows` are the
    sequencer's.
    """

    def __init__(self, plan: CompactPlan, memory: ConstantMemory) -> None:
        self._plan = plan
        self._memory = memory
        layers = plan.layers
        super().__init__(
            {
                "turn": In(range(PHASES)),
                "begins_frame": In(1),
                "freed_rows": In(range(3)),
                "written_layer": In(range(len(layers))),
                "written_rows": In(range(max(layer.rows for layer in layers))),
                "fetch": Out(1),
                "fetch_address": Out(range(len(memory.words))),
                "fetched": In(1),
                "step": Out(step_layout(plan)),
                "begins_word": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        layers = self._plan.layers
        layer = Signal(range(len(layers) + 1), init=1)
        row = Signal(range(max(spec.in_rows for spec in layers)))
        word = Signal(range(max(spec.words for spec in layers)))
        pair = Signal(range(max(spec.in_columns for spec in layers) // 2))
        lower = Signal()
        strided = self._table(m, layer, lambda spec, _: int(spec.stride == 2))
        last_row = row + strided == self._table(m, layer, lambda spec, _: spec.in_rows - 1)
        last_word = word == self._table(m, layer, lambda spec, _: spec.in_words - 1)
        last_pair = pair == self._table(m, layer, lambda spec, _: spec.half_in_columns - 1)

        begins_word = (pair == 0) & ~lower
        begins_rows = begins_word & (word == 0)
        ends_pair = lower | ~strided
        thresholds_here, go = Signal(), Signal()
        free = self._rows_free(m, layer, row, strided, go & begins_rows)
        m.d.comb += go.eq((self.turn == 2) & (free | ~begins_rows) & (thresholds_here | ~begins_word))
        next_word, next_rows, next_layer = Signal(), Signal(), Signal()
        m.d.comb += [
            next_word.eq(go & ends_pair & last_pair),
            next_rows.eq(next_word & last_word),
            next_layer.eq(next_rows & last_row),
        ]
        with m.If(self.turn == 2):
            m.d.sync += [self.step.active.eq(go), self.begins_word.eq(go & begins_word)]
        with m.If(go):
            m.d.sync += [
                self.step.strided.eq(strided),
                self.step.lower_row.eq(lower),
                self.step.ends_rows.eq(ends_pair & last_pair & last_word),
                self.step.ends_layer.eq(last_row),
                self.step.odd_pair.eq(pair[0]),
                lower.eq(~lower & strided),
            ]
            with m.If(ends_pair):
                m.d.sync += pair.eq(Mux(last_pair, 0, pair + 1))
        with m.If(next_word):
            m.d.sync += word.eq(Mux(last_word, 0, word + 1))
        with m.If(next_rows):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1 + strided))
        with m.If(next_layer):
            m.d.sync += layer.eq(layer + 1)
        with m.If(self.begins_frame):
            m.d.sync += [layer.eq(1), row.eq(0)]
        self._words(m, layer, strided, go, ends_pair, lower, pair, next_word, next_rows, next_layer)
        self._codes(m, layer, strided, go, lower, pair, next_word, next_rows)
        self._thresholds(m, thresholds_here, go & begins_word, last_word, last_row, layer == len(layers) - 1)
        return m

    def _table(self, m: Module, layer: Value, of: Callable[[CompactLayer, CompactLayer], int]) -> Signal:
        """Return a number of a layer and the one before it, one cycle after the layer's number; 0 has none."""
        pairs = zip(self._plan.layers[1:], self._plan.layers[:-1], strict=True)
        return registered_table(m, layer, [0, *(of(this, before) for this, before in pairs)], name="of_layer")

    def _rows_free(self, m: Module, layer: Signal, row: Signal, strided: Value, begun: Value) -> Signal:
        """Tell whether the next rows may be begun: written, and with a free place in the ring."""
        plan = self._plan
        used = Signal(range(plan.ring_rows + 8), init=1)
        m.d.sync += used.eq(used + Mux(begun, 1 + strided, 0) - self.freed_rows)
        with m.If(self.begins_frame):
            m.d.sync += used.eq(1)
        places = Mux(self.written_layer == 0, 1 + plan.early_rows, plan.ring_rows)
        written = (layer == self.written_layer + 1) & (row + strided + 1 <= self.written_rows)
        free = Signal()
        m.d.sync += free.eq(
            (layer != len(plan.layers)) & (used + 1 + strided <= places) & ((layer == self.written_layer) | written)
        )
        return free

    def _words(
        self, m: Module, layer: Signal, strided: Value, go: Value, ends_pair: Value, lower: Value, pair: Value,
        next_word: Value, next_rows: Value, next_layer: Value,
    ) -> None:  # fmt: skip
        """Follow the feature map: the upper row's words, and where their means go."""
        plan = self._plan
        half_columns = self._table(m, layer, lambda spec, _: spec.half_in_columns)
        row_step = self._table(m, layer, lambda _, before: plan.row_step(before))
        row_start = self._table(m, layer, lambda _, before: plan.row_start(before))
        base, offset, word_base = (
            Signal(range(plan.bank_words), name=name) for name in ("base", "offset", "word_base")
        )
        with m.If(go):
            m.d.sync += [
                self.step.word_address.eq(Mux(lower, base + row_step, base) + offset),
                self.step.shortcut_address.eq(base + word_base + pair[1:]),
            ]
            with m.If(ends_pair):
                m.d.sync += offset.eq(offset + 1)
        with m.If(next_word):
            m.d.sync += word_base.eq(word_base + half_columns)
        with m.If(next_rows):
            m.d.sync += [offset.eq(0), word_base.eq(0), base.eq(base + Mux(strided, row_step << 1, row_step))]
        with m.If(delayed(m, next_layer | self.begins_frame, 2)):
            m.d.sync += base.eq(row_start)

    def _codes(
        self, m: Module, layer: Signal, strided: Value, go: Value, lower: Value, pair: Value, next_word: Value,
        next_rows: Value,
    ) -> None:  # fmt: skip
        """Follow the ring of codes: the rows' places, and the group of channels there."""
        plan = self._plan
        slots = self._table(m, layer, lambda spec, _: spec.column_slots)
        last_half = plan.group // LANES - 1
        half, group_index = Signal.like(self.step.half, name="half"), Signal.like(self.step.index, name="group_index")
        first = plan.ring_rows - plan.early_rows
        position = Signal(range(plan.ring_rows), init=first)
        place = Signal.like(position, name="place")
        m.d.comb += place.eq(position + lower)
        ring = place[2:] << (plan.ring_entries - 1).bit_length() if plan.ring_rows > SLOTS else Const(0)
        with m.If(go):
            m.d.sync += [
                self.step.slot.eq(place[:2]),
                self.step.index.eq((group_index + pair[1:]) | ring),
                self.step.half.eq(half),
            ]
        with m.If(next_word):
            m.d.sync += half.eq(Mux(half == last_half, 0, half + 1))
            with m.If(half == last_half):
                m.d.sync += group_index.eq(group_index + slots)
        with m.If(next_rows):
            m.d.sync += [half.eq(0), group_index.eq(0), position.eq(position + 1 + strided)]
        with m.If(self.begins_frame):
            m.d.sync += position.eq(first)

    def _thresholds(
        self, m: Module, here: Signal, used: Value, last_word: Value, last_row: Value, last_layer: Value
    ) -> None:
        """Fetch the next word's thresholds when those at hand go into use."""
        memory = self._memory
        first_of_all = memory.first_threshold
        first = Signal.like(self.fetch_address, name="first", init=first_of_all)
        address = Signal.like(self.fetch_address, name="address", init=first_of_all)
        following = Signal.like(self.fetch_address, name="following")
        m.d.comb += following.eq(address + memory.code_words)
        with m.If(used):
            m.d.sync += [here.eq(0), address.eq(following)]
            with m.If(last_word & ~last_row):
                m.d.sync += address.eq(first)
            with m.Elif(last_word & last_row):
                m.d.sync += first.eq(following)
                with m.If(last_layer):
                    m.d.sync += [address.eq(first_of_all), first.eq(first_of_all)]
        with m.Elif(self.fetched):
            m.d.sync += here.eq(1)
        begin = Signal(init=1)
        m.d.sync += begin.eq(0)
        # Two cycles later those in use are in their own registers.
        m.d.comb += [self.fetch.eq(delayed(m, used, 3) | begin), self.fetch_address.eq(address)]
