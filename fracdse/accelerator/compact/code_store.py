"""The rows of two-bit codes that windows are made of, and the taps of one plane of a window.

Sixteen small memories, one for each row modulo 4 and column modulo 4, are read at once: three rows of three columns
are in nine different ones. An entry is one plane of one group of channels of a pixel. Where gated convolutions need
fewer entries a row than the stem, the rest holds further rows: a ring.

Reads: `slot` names the memory row of the window's upper row and `ring` the ring row there, `ring_next` the one of
memory rows before it; `index` and `column` are the centre's. `taps` follows one cycle later, 0 outside the image.
Writes: `LANES` codes' digits of one plane a strobe of `write_halves`.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.compact_plan import KERNEL, LANES, SLOTS, CompactPlan


class CodeStore(wiring.Component):
    """Codes of the rows in use; see the module's description."""

    def __init__(self, plan: CompactPlan) -> None:
        self._plan = plan
        self._entries = plan.store_depth // 2
        self._ring_rows = self._entries // plan.ring_entries
        index_bits = (self._entries - 1).bit_length()
        ring_bits = max(1, (self._ring_rows - 1).bit_length())
        super().__init__(
            {
                "slot": In(range(SLOTS)),
                "ring": In(ring_bits),
                "ring_next": In(ring_bits),
                "index": In(index_bits),
                "column": In(range(SLOTS)),
                "plane": In(1),
                "outside_rows": In(KERNEL),
                "outside_columns": In(KERNEL),
                "taps": Out(plan.taps),
                "write_slot": In(range(SLOTS)),
                "write_index": In(index_bits),
                "write_column": In(range(SLOTS)),
                "write_plane": In(1),
                "write_halves": In(plan.group // LANES),
                "write_data": In(plan.group),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        # A bank beside the centre's columns holds the last one before them, or the first one behind.
        indices = [self.index] * SLOTS
        for bank, column, step in ((0, SLOTS - 1, 1), (SLOTS - 1, 0, -1)):
            index = Signal.like(self.index, name=f"index{bank}")
            m.d.comb += index.eq(Mux(self.column == column, self.index + step, self.index))
            indices[bank] = index
        rings = []
        for slot in range(SLOTS):
            ring = Signal.like(self.ring, name=f"ring{slot}")
            m.d.comb += ring.eq(Mux(self.slot > slot, self.ring_next, self.ring) if slot < SLOTS - 1 else self.ring)
            rings.append(ring)
        data = [
            [self._memory(m, slot, bank, rings[slot], indices[bank]) for bank in range(SLOTS)] for slot in range(SLOTS)
        ]
        rows = [
            [self._chosen(m, [data[slot][bank] for slot in range(SLOTS)], self.slot, row) for bank in range(SLOTS)]
            for row in range(KERNEL)
        ]
        taps = []
        for row in range(KERNEL):
            for column in range(KERNEL):
                tap = Signal(self._plan.group, name=f"tap{row}{column}", reset_less=True)
                m.d.sync += tap.eq(self._chosen(m, rows[row], self.column, column - 1))
                with m.If(self.outside_rows[row] | self.outside_columns[column]):
                    m.d.sync += tap.eq(0)
                taps.append(tap)
        m.d.comb += self.taps.eq(Cat(taps))
        return m

    def _chosen(self, m: Module, values: list[Value], place: Value, distance: int) -> Value:
        """Return the value `distance` places behind `place`, round and round."""
        chosen = Signal.like(values[0], name="chosen")
        m.d.comb += chosen.eq(Array([values[(i + distance) % SLOTS] for i in range(SLOTS)])[place])
        return chosen

    def _memory(self, m: Module, slot: int, bank: int, ring: Value, index: Value) -> Value:
        """Return the entry that one memory reads."""
        plan = self._plan
        address = Signal(range(plan.store_depth), name=f"address{slot}{bank}")
        ring_start = Signal.like(index, name=f"ring_start{slot}{bank}")
        m.d.comb += [
            ring_start.eq(ring << (plan.ring_entries - 1).bit_length() if self._ring_rows > 1 else 0),
            address.eq(Cat(self.plane, index | ring_start)),
        ]
        here = Signal(name=f"write{slot}{bank}")
        m.d.comb += here.eq((self.write_slot == slot) & (self.write_column == bank))
        halves = []
        for half in range(len(self.write_halves)):
            memory = Memory(shape=LANES, depth=plan.store_depth, init=[], attrs={"ram_style": "distributed"})
            m.submodules[f"codes{slot}{bank}_{half}"] = memory
            read, write = memory.read_port(domain="comb"), memory.write_port()
            m.d.comb += [
                read.addr.eq(address),
                write.addr.eq(Cat(self.write_plane, self.write_index)),
                write.data.eq(self.write_data.word_select(half, LANES)),
                write.en.eq(here & self.write_halves[half]),
            ]
            halves.append(read.data)
        return Cat(halves)
