"""The blocks of a frame in order: layer, row, word of output channels, group of input channels.

Describes the next block, with all that its pixels need to know of it; `advance` goes on. What differs from layer to
layer are tables over `fracdse.compact_plan`. Rows outside the image settle within `SETTLED` cycles of `advance`, all
else in one more.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import constant_table, registered_table
from fracdse.accelerator.pipeline import delayed
from fracdse.compact_plan import KERNEL, SLOTS, CompactLayer, CompactPlan

SETTLED = 3


class BlockOrder(wiring.Component):
    """Loops over the blocks; see the module's description.

    begins_row, ends_row: the block is the first or the last of a row; ends_layer, ends_frame: its row is the layer's
    last, its layer the frame's.
    """

    def __init__(self, plan: CompactPlan) -> None:
        self._plan = plan
        layers = plan.layers
        self._ring = plan.ring_rows // SLOTS
        ring_bits = max(1, (self._ring - 1).bit_length())
        super().__init__(
            {
                "advance": In(1),
                "layer": Out(range(len(layers))),
                "row": Out(range(max(layer.rows for layer in layers))),
                "word": Out(range(max(layer.words for layer in layers))),
                "stem": Out(1),
                "strided": Out(1),
                "last_column": Out(range(max(layer.columns for layer in layers))),
                "begins_row": Out(1),
                "first_group": Out(1),
                "last_group": Out(1),
                "ends_row": Out(1),
                "ends_layer": Out(1),
                "ends_frame": Out(1),
                "outside_rows": Out(KERNEL),
                "slot": Out(range(SLOTS)),
                "ring": Out(ring_bits),
                "ring_next": Out(ring_bits),
                "index": Out(plan.index_bits),
                "plane": Out(1),
                "start_inside": Out(signed(plan.sum_bits)),
                "start_edge": Out(signed(plan.sum_bits)),
                "word_address": Out(range(plan.bank_words)),
                "residual_address": Out(range(plan.bank_words)),
                "rows_needed": Out(range(max(layer.in_rows for layer in layers) + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        plan = self._plan
        group = Signal(range(max(layer.groups for layer in plan.layers)))
        last_row = self.row == self._table(m, lambda layer: layer.rows - 1)
        last_word = self.word == self._table(m, lambda layer: layer.words - 1)
        last_group = group == self._table(m, lambda layer: layer.groups - 1)
        bottom = last_row & ~self.strided
        m.d.sync += [
            self.stem.eq(self.layer == 0),
            self.strided.eq(self._table(m, lambda layer: int(layer.stride == 2))),
            self.last_column.eq(self._table(m, lambda layer: layer.columns - 1)),
            self.begins_row.eq((self.word == 0) & (group == 0)),
            self.first_group.eq(group == 0),
            self.last_group.eq(last_group),
            self.ends_row.eq(last_group & last_word),
            self.ends_layer.eq(last_row),
            self.ends_frame.eq(self.layer == len(plan.layers) - 1),
            self.outside_rows.eq(Cat(self.row == 0, 0, bottom)),
            self.rows_needed.eq(Mux(bottom, self.row + 1, Mux(self.strided, Cat(0, self.row) + 2, self.row + 2))),
        ]
        for edge, signal in ((False, self.start_inside), (True, self.start_edge)):
            m.d.sync += signal.eq(self._starts(m, self.outside_rows.any(), edge))
        self._count(m, group, last_row, last_word, last_group)
        self._codes(m, group, last_row, last_word, last_group)
        self._addresses(m, last_row, last_word, last_group)
        return m

    def _table(self, m: Module, of: Callable[[CompactLayer], int]) -> Value:
        """Return a number of the present layer, one cycle after the layer."""
        return registered_table(m, self.layer, [of(layer) for layer in self._plan.layers], name="of_layer")

    def _starts(self, m: Module, outside: Value, edge: bool) -> Value:
        columns = KERNEL - int(edge)
        values = [self._plan.start_sum(layer, KERNEL - row, columns) for layer in self._plan.layers for row in (0, 1)]
        return constant_table(m, Cat(outside, self.layer), values, name="start")

    def _count(self, m: Module, group: Signal, last_row: Value, last_word: Value, last_group: Value) -> None:
        """Step through the loops."""
        last_layer = self.layer == len(self._plan.layers) - 1
        with m.If(self.advance):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
            with m.If(last_group):
                m.d.sync += self.word.eq(Mux(last_word, 0, self.word + 1))
                with m.If(last_word):
                    m.d.sync += self.row.eq(Mux(last_row, 0, self.row + 1))
                    with m.If(last_row):
                        m.d.sync += self.layer.eq(Mux(last_layer, 0, self.layer + 1))

    def _codes(self, m: Module, group: Signal, last_row: Value, last_word: Value, last_group: Value) -> None:
        """Follow the rows and groups of codes in their store."""
        plan = self._plan
        slots = self._table(m, lambda layer: layer.column_slots)
        # The row above the first one of the first layer; its codes begin behind the stem's (`CodeWriter`).
        before_first = plan.ring_rows - plan.early_rows - 1
        position = Signal(range(plan.ring_rows), init=before_first)
        with m.If(self.advance):
            with m.If(last_group):
                m.d.sync += self.index.eq(0)
                with m.If(last_word & ~self.stem):
                    m.d.sync += position.eq(position + 1 + self.strided)
            with m.Elif(~self.stem | group[0]):
                m.d.sync += self.index.eq(self.index + slots)
        with m.If(self.stem):
            m.d.sync += position.eq(before_first)
        m.d.sync += [
            self.plane.eq(self.stem & group[0]),
            self.slot.eq(Mux(self.stem, self.row - 1, position)),
        ]
        if self._ring > 1:
            ring = position[2:]
            m.d.sync += [self.ring.eq(Mux(self.stem, 0, ring)), self.ring_next.eq(Mux(self.stem, 0, ring + 1))]

    def _addresses(self, m: Module, last_row: Value, last_word: Value, last_group: Value) -> None:
        """Follow the words of the feature map: where the output goes, and where the residual lies."""
        plan = self._plan
        half = self._table(m, lambda layer: layer.half_columns)
        half_in = self._table(m, lambda layer: layer.half_in_columns)
        last_in_word = self._table(m, lambda layer: max(0, layer.in_words - 1))
        step, start = self._table(m, plan.row_step), self._table(m, plan.row_start)
        # A strided layer's shortcut lies where the upper of its two rows was.
        above = self._table(m, lambda layer: plan.row_step(layer) // 2 if layer.stride == 2 else 0)
        row_start, offset, residual_offset = (Signal(range(plan.bank_words)) for _ in range(3))
        in_word = Signal(range(max(layer.words for layer in plan.layers)))
        with m.If(self.advance & last_group):
            m.d.sync += [
                offset.eq(offset + half),
                residual_offset.eq(residual_offset + half_in),
                in_word.eq(in_word + 1),
            ]
            with m.If(in_word == last_in_word):
                m.d.sync += [residual_offset.eq(0), in_word.eq(0)]
            with m.If(last_word):
                m.d.sync += [offset.eq(0), residual_offset.eq(0), in_word.eq(0), row_start.eq(row_start + step)]
        entered = Signal()
        m.d.comb += entered.eq(self.advance & last_group & last_word & last_row)
        with m.If(delayed(m, entered, 2)):
            m.d.sync += row_start.eq(start)
        m.d.sync += [
            self.word_address.eq(row_start + offset),
            self.residual_address.eq(row_start - above + residual_offset),
        ]
