# amaranth: UnusedElaboratable=no
"""The lanes: binary products of a window with each lane's weights, added up over a row's groups of channels.

A lane counts the products that are one, P. Products of taps outside the image are 0 where their row is outside, as
weights and taps are both 0; where their column is outside only the taps are, so the products are the weights, and the
lane takes their number (`edges`) off. Sums of a pixel and plane are kept from group to group. After the last one

    H = Σ P − (products inside the image) / 2,    M = 2·H  (L alike)

which is `start` + Σ (P − edge): `start`, from the sequencer, makes up for the edge's being taken off inverted.

Inputs but for `taps`, weights and edges belong to the cycle before that of `taps`; `sums` follow `taps` by
`latency` cycles.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.weights import level_sizes
from fracdse.accelerator.compressor_tree import Columns, Counted, add_columns, compress
from fracdse.accelerator.lane_counter import carries
from fracdse.accelerator.parity_chain import ParityChain, parity_chain
from fracdse.accelerator.pipeline import Pipeline, delayed
from fracdse.compact_plan import LANES, CompactPlan


class Lanes(wiring.Component):
    """Counting and adding; see the module's description."""

    def __init__(self, plan: CompactPlan) -> None:
        self._plan = plan
        self._sizes = level_sizes(plan.taps)
        self._edge_bits = plan.edge_bits
        super().__init__(
            {
                "taps": In(plan.taps),
                "weights": In(data.ArrayLayout(sum(self._sizes), LANES)),
                "edges": In(data.ArrayLayout(data.ArrayLayout(self._edge_bits, 2), LANES)),
                "left": In(1),
                "right": In(1),
                "valid": In(1),
                "first_group": In(1),
                "start": In(signed(plan.sum_bits)),
                "place": In(range(plan.partial_sums)),
                "sums": Out(data.ArrayLayout(signed(plan.sum_bits), LANES)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from `taps` to `sums`."""
        m = Module()
        chain, edge = parity_chain(m, Signal(self._plan.taps)), Signal(self._edge_bits)
        return self._count(m, chain, Signal(sum(self._sizes)), edge).latency + 1

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        chain = parity_chain(m, self.taps)
        left, right = Signal(), Signal()
        m.d.sync += [left.eq(self.left), right.eq(self.right)]
        counts = []
        for lane in range(LANES):
            edge = Signal(self._edge_bits, name=f"edge{lane}")
            ones = Const(-1, self._edge_bits)
            m.d.comb += edge.eq(Mux(left, self.edges[lane][0], Mux(right, self.edges[lane][1], ones)))
            counts.append(self._count(m, chain, self.weights[lane], edge))
        late = 1 + counts[0].latency
        pipe = Pipeline(m, Const(1))
        valid, first, start, place = self.valid, self.first_group, Value.cast(self.start), self.place
        for _ in range(late):
            valid, first, start, place = pipe.registers(valid, first, start, place)
        bits = self._plan.sum_bits
        memory = Memory(shape=bits * LANES, depth=self._plan.partial_sums, init=[], attrs={"ram_style": "distributed"})
        m.submodules.partial_sums = memory
        read, write = memory.read_port(domain="comb"), memory.write_port()
        totals = []
        for lane, counted in enumerate(counts):
            total = Signal(signed(bits), name=f"total{lane}")
            before = Mux(first, start, read.data.word_select(lane, bits)).as_signed()
            m.d.comb += total.eq(before + counted.value)
            m.d.sync += self.sums[lane].eq(total)
            totals.append(total)
        m.d.comb += [read.addr.eq(place), write.addr.eq(place), write.data.eq(Cat(totals)), write.en.eq(valid)]
        return m

    def _count(self, m: Module, chain: ParityChain, weights: Value, edge: Value) -> Counted:
        """Count a lane's ones and add its edge; the form of `fused_lane`, with weights from registers."""
        last = len(chain.levels) - 1
        arrivals: list[Columns] = [{} for _ in range(chain.stage(last) + 1)]
        add_columns(arrivals[0], {bit: [edge[bit : bit + 1]] for bit in range(len(edge))})
        at = 0
        for level, taps in enumerate(chain.levels):
            rows = delayed(m, weights[at : at + len(taps)], chain.stage(level))
            at += len(taps)
            products = [taps ^ rows] if level == last else [carries(m, taps, rows)]
            add_columns(arrivals[chain.stage(level)], {0 if level == last else 1: products})
        largest = self._plan.taps + (1 << self._edge_bits) - 1
        return compress(m, arrivals, largest.bit_length())
