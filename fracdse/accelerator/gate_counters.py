"""Open gates of every layer since the start of a run, in 64 bits.

A narrow counter a layer takes what comes in any cycle. One adder visits the layers in turn and moves the narrow
counters' contents into 64-bit totals in LUT memory: one adder for all layers. `total` is the total of layer `slot`,
so whoever wants to read one waits for its turn; the turn comes within `slots` cycles.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.registers import gate_counter_slots

TOTAL_BITS = 64


class GateCounters(wiring.Component):
    """Count the open gates of layers with these numbers of channels; `clear` returns all totals to 0.

    Members: `open_{i}` and `open_{i}_valid`, the open gates of one pixel of layer i; `total` of layer `slot`.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        self._channels = channels
        self.slots = gate_counter_slots(len(channels))
        self.layers = len(channels)
        self.inputs: dict[str, wiring.Member] = {}
        for index, count in enumerate(channels):
            self.inputs |= {f"open_{index}": In(range(count + 1)), f"open_{index}_valid": In(1)}
        super().__init__({"clear": In(1), "slot": Out(range(self.slots)), "total": Out(TOTAL_BITS), **self.inputs})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        visited = Signal(range(self.slots))
        clearing = Signal(init=1)
        last = visited == self.slots - 1
        m.d.sync += visited.eq(Mux(last | self.clear, 0, visited + 1))
        with m.If(self.clear):
            m.d.sync += clearing.eq(1)
        with m.Elif(last):
            m.d.sync += clearing.eq(0)

        recent = []
        for index, count in enumerate(self._channels):
            counter = Signal(range(count * self.slots + 1), name=f"recent_{index}")
            more = Mux(getattr(self, f"open_{index}_valid"), getattr(self, f"open_{index}"), 0)
            m.d.sync += counter.eq(Mux(visited == index, 0, counter) + more)
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
            recent.append(counter)

        slot, moved, fresh = Signal(range(self.slots)), Signal(max(map(len, recent))), Signal(init=1)
        m.d.sync += [slot.eq(visited), fresh.eq(clearing | self.clear), moved.eq(0)]
        with m.If((visited < len(recent)) & ~self.clear):
            m.d.sync += moved.eq(Array(recent)[visited])
        m.submodules.totals = totals = Memory(
            shape=TOTAL_BITS, depth=self.slots, init=[], attrs={"ram_style": "distributed"}
        )
        read, write = totals.read_port(domain="comb"), totals.write_port()
        m.d.comb += [read.addr.eq(slot), write.addr.eq(self.slot), write.data.eq(self.total), write.en.eq(1)]
        m.d.sync += [self.slot.eq(slot), self.total.eq(Mux(fresh, 0, read.data) + moved)]
        return m
