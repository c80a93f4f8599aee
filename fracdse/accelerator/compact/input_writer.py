"""Turns an image's pixels into the stem's codes, row by row, ahead of the lanes.

Stream in: `words` of packed bytes. A pixel takes a cycle for each group of levels of each colour; in cycles in which
the code writer writes (`blocked`) nothing goes on. A row is begun once its place is free: the lanes are at row
`at_row` of the stem (`at_stem`), or wait for a frame (`awaits_frame`).
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.gearbox import WORD_BYTES, Gearbox
from fracdse.accelerator.thermometer import code_bits, is_level_on, level_code
from fracdse.compact_plan import SLOTS, CompactPlan
from fracdse.topology import has_full_flag


class InputWriter(wiring.Component):
    """Gearbox and thermometer; see the module's description."""

    def __init__(self, plan: CompactPlan) -> None:
        self._plan = plan
        stem = plan.layers[0]
        self._gearbox = Gearbox(colours=plan.colours, pixels=stem.in_rows * stem.in_columns)
        self.frame_words = self._gearbox.frame_words
        super().__init__(
            {
                "words": In(stream.Signature(8 * WORD_BYTES)),
                "frame_taken": Out(1),
                "blocked": In(1),
                "at_stem": In(1),
                "at_row": In(range(stem.in_rows)),
                "awaits_frame": In(1),
                "done_rows": Out(range(stem.in_rows + 1)),
                "write": Out(1),
                "write_slot": Out(range(SLOTS)),
                "write_index": Out(plan.index_bits),
                "write_column": Out(range(SLOTS)),
                "write_plane": Out(1),
                "write_data": Out(plan.group),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        plan, stem = self._plan, self._plan.layers[0]
        m.submodules.gearbox = gearbox = self._gearbox
        wiring.connect(m, wiring.flipped(self.words), gearbox.words)
        m.d.comb += self.frame_taken.eq(gearbox.frame_taken)

        parts = stem.groups // plan.colours
        row, column = Signal(range(stem.in_rows + 1)), Signal(range(stem.in_columns))
        group, colour = Signal(range(max(2, stem.groups))), Signal(range(max(2, plan.colours)))
        part, index = Signal(range(max(2, parts))), Signal.like(self.write_index)
        enable, free, go = Signal(), Signal(), Signal()
        at_stem = Signal()
        newest = Mux(self.at_stem, self.at_row, 0) + 2
        m.d.sync += [free.eq((self.at_stem | self.awaits_frame) & (row <= newest)), at_stem.eq(self.at_stem)]
        last_group, last_part = group == stem.groups - 1, part == parts - 1
        m.d.comb += [
            enable.eq(~self.blocked | ~self.write),
            # `free` follows a new row by one cycle.
            go.eq(enable & free & gearbox.pixels.valid & (row != stem.in_rows) & ~self._new_row(m, row)),
            gearbox.pixels.ready.eq(go & last_group),
        ]
        with m.If(go):
            m.d.sync += [group.eq(Mux(last_group, 0, group + 1)), part.eq(Mux(last_part, 0, part + 1))]
            with m.If(last_part):
                m.d.sync += colour.eq(Mux(last_group, 0, colour + 1))
            with m.If(last_group):
                m.d.sync += [index.eq(0), column.eq(column + 1)]
                with m.If(column == stem.in_columns - 1):
                    m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.Elif(group[0]):
                m.d.sync += index.eq(index + stem.column_slots)
        left = at_stem & ~self.at_stem
        with m.If(left):
            m.d.sync += [row.eq(0), self.done_rows.eq(0)]

        # One cycle from pixel to code, then the code's levels are written.
        code, late_part = Signal(code_bits(plan.levels)), Signal.like(part)
        ends_row = Signal()
        with m.If(enable):
            m.d.sync += [
                self.write.eq(go),
                code.eq(level_code(m, Array(gearbox.pixels.payload)[colour], plan.resolution, plan.levels)),
                late_part.eq(part),
                self.write_slot.eq(row[:2]),
                self.write_index.eq(index + column[2:]),
                self.write_column.eq(column[:2]),
                self.write_plane.eq(group[0]),
                ends_row.eq(go & last_group & (column == stem.in_columns - 1)),
            ]
        with m.If(enable & ends_row & ~left):
            m.d.sync += self.done_rows.eq(self.done_rows + 1)
        levels = [self._levels(code, first) for first in range(0, parts * plan.group, plan.group)]
        m.d.comb += self.write_data.eq(Array(levels)[late_part] if parts > 1 else levels[0])
        return m

    def _new_row(self, m: Module, row: Signal) -> Value:
        """Tell whether the row's number is new in this cycle."""
        before = Signal.like(row, name="row_before")
        m.d.sync += before.eq(row)
        return before != row

    def _levels(self, code: Value, first: int) -> Value:
        return Cat(self._level(code, level) for level in range(first, first + self._plan.group))

    def _level(self, code: Value, level: int) -> Value:
        """Return whether a level is on; those that only fill a group are not."""
        levels = self._plan.levels
        if level >= levels:
            return Const(0, 1)
        if level == levels - 1 and has_full_flag(levels):
            return code[-1]
        return is_level_on(code, level, levels)
