"""Weights of the next block, loaded while the lanes work on the one before.

`load` begins a block: one memory word a lane, in `LANES` cycles and some more; then `loaded` is set. `take` hands them
to the lanes: `weights` of each lane, with all levels of parities (`fracdse.accelerator.compact.weights`), and how many
taps of its left and right column are ones, inverted (`edges`). Weights of rows outside the image are taken as zeros.
The memory is read in order; `rewind` returns to the first block since the last `enter`, `restart` to the very first.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.weights import level_sizes, weight_parities
from fracdse.accelerator.compressor_tree import compress
from fracdse.accelerator.pipeline import delayed
from fracdse.accelerator.rom import Rom
from fracdse.compact_plan import KERNEL, LANES, CompactPlan


class RowReader:
    """An address that runs through a memory in the order of a frame, a layer's part once a row.

    `first` is where the present layer's part begins.
    """

    def __init__(self, m: Module, depth: int, step: Value) -> None:
        self._m = m
        self.address = Signal(range(depth))
        self._first = Signal(range(depth))
        with m.If(step):
            m.d.sync += self.address.eq(self.address + 1)

    def begin(self, strobe: Value, rewind: Value, enter: Value, restart: Value) -> None:
        """Choose where to go on: where the address is, the layer's first word, or the first of all."""
        m = self._m
        with m.If(strobe):
            with m.If(restart):
                m.d.sync += [self.address.eq(0), self._first.eq(0)]
            with m.Elif(rewind):
                m.d.sync += self.address.eq(self._first)
            with m.Elif(enter):
                m.d.sync += self._first.eq(self.address)


class WeightLoader(wiring.Component):
    """Weight memory and the two sets of weight registers; see the module's description."""

    def __init__(self, plan: CompactPlan, words: Sequence[int]) -> None:
        self._plan = plan
        self._words = words
        self._bits = sum(level_sizes(plan.taps))
        super().__init__(
            {
                "load": In(1),
                "rewind": In(1),
                "enter": In(1),
                "restart": In(1),
                "outside_rows": In(KERNEL),
                "loaded": Out(1),
                "take": In(1),
                "weights": Out(data.ArrayLayout(self._bits, LANES)),
                "edges": Out(data.ArrayLayout(data.ArrayLayout(plan.edge_bits, 2), LANES)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.memory = rom = Rom(self._words, self._plan.taps, block=True)
        left = Signal(range(LANES + 1))
        reading = Signal()
        m.d.comb += reading.eq(left != 0)
        reader = RowReader(m, len(self._words), reading)
        reader.begin(self.load, self.rewind, self.enter, self.restart)
        outside = Signal(KERNEL)
        with m.If(self.load):
            m.d.sync += [left.eq(LANES), outside.eq(self.outside_rows)]
        with m.Elif(reading):
            m.d.sync += left.eq(left - 1)
        m.d.comb += rom.address.eq(reader.address)

        word = Signal(self._plan.taps, reset_less=True)
        row_taps = KERNEL * self._plan.group
        m.d.sync += word.eq(rom.data)
        for row in range(KERNEL):
            with m.If(outside[row]):
                m.d.sync += word.word_select(row, row_taps).eq(0)
        arrived = delayed(m, reading, 2)
        lanes = self._chain(m, weight_parities(m, word), arrived, "weights")
        edges, latency = self._edges(m, word)
        edge_arrived = delayed(m, arrived, latency)
        held_edges = self._chain(m, edges, edge_arrived, "edges")
        m.d.comb += [
            Value.cast(self.weights).eq(Cat(self._taken(m, lane) for lane in lanes)),
            Value.cast(self.edges).eq(Cat(self._taken(m, lane) for lane in held_edges)),
        ]
        # `take` follows `loaded` by two cycles at the least, when the last count has arrived.
        ending = delayed(m, reading & (left == 1), latency)
        with m.If(ending):
            m.d.sync += self.loaded.eq(1)
        with m.If(self.take | self.load):
            m.d.sync += self.loaded.eq(0)
        return m

    def _chain(self, m: Module, value: Value, strobe: Value, name: str) -> list[Signal]:
        """Shift a value a lane in, the first lane's first; return the lanes' values."""
        stages: list[Signal] = []
        for lane in range(LANES):
            stage = Signal(len(value), name=f"next_{name}{lane}", reset_less=True)
            with m.If(strobe):
                m.d.sync += stage.eq(stages[-1] if stages else value)
            stages.append(stage)
        return stages[::-1]

    def _taken(self, m: Module, value: Signal) -> Signal:
        taken = Signal(len(value), name="taken", reset_less=True)
        with m.If(self.take):
            m.d.sync += taken.eq(value)
        return taken

    def _edges(self, m: Module, word: Signal) -> tuple[Value, int]:
        """Count the ones of the left and the right column of taps; return both, inverted, and the latency."""
        bits, group = self._plan.edge_bits, self._plan.group
        counts = []
        for column in (0, KERNEL - 1):
            taps = Cat(word.word_select(row * KERNEL + column, group) for row in range(KERNEL))
            counts.append(compress(m, [{0: [taps]}], bits, register_inputs=False))
        assert counts[0].latency == counts[1].latency
        return Cat(~count.value for count in counts), counts[0].latency
