"""Open gates of every layer since the start of a run, in 64 bits, where one layer at a time works.

The same registers as `fracdse.accelerator.gate_counters`: `total` is that of layer `slot`. Totals lie in LUT memory,
whose port a counted pixel takes; otherwise the slots are visited in turn.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.gate_counters import TOTAL_BITS
from fracdse.registers import gate_counter_slots


class GateTotals(wiring.Component):
    """Count open gates; `open_gates` of a pixel's word of gated convolution `layer` are added where `valid` is set."""

    def __init__(self, layers: int, largest: int) -> None:
        self.slots = gate_counter_slots(layers)
        self.layers = layers
        self.inputs = {
            "open_gates": In(range(largest + 1)),
            "open_gates_layer": In(range(layers)),
            "open_gates_valid": In(1),
        }
        super().__init__({"clear": In(1), "slot": Out(range(self.slots)), "total": Out(TOTAL_BITS), **self.inputs})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        visited, clearing = Signal(range(self.slots)), Signal(init=1)
        address, count, counted = Signal(range(self.slots)), Signal.like(self.open_gates), Signal()
        m.d.sync += [counted.eq(self.open_gates_valid), count.eq(self.open_gates)]
        with m.If(self.open_gates_valid & ~clearing):
            m.d.sync += address.eq(self.open_gates_layer)
        with m.Else():
            last = visited == self.slots - 1
            m.d.sync += [address.eq(visited), visited.eq(Mux(last, 0, visited + 1)), counted.eq(0)]
            with m.If(last):
                m.d.sync += clearing.eq(0)
        late_clearing = Signal(init=1)
        m.d.sync += late_clearing.eq(clearing)
        with m.If(self.clear):
            m.d.sync += [visited.eq(0), clearing.eq(1), late_clearing.eq(1)]
        m.submodules.totals = totals = Memory(
            shape=TOTAL_BITS, depth=self.slots, init=[], attrs={"ram_style": "distributed"}
        )
        read, write = totals.read_port(domain="comb"), totals.write_port()
        total = Mux(late_clearing, 0, read.data + Mux(counted, count, 0))
        m.d.comb += [read.addr.eq(address), write.addr.eq(address), write.data.eq(total), write.en.eq(1)]
        m.d.sync += [self.slot.eq(address), self.total.eq(total)]
        return m
