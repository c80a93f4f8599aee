"""Constants of the output channels at work, and thresholds of the code writer's, from one block memory.

Post constants lie in the order of a frame, and a layer's part is read once a row. They are loaded beside those in use
and taken over field by field, each in the cycle in which the first word of new channels needs it: `stages` after
`switch`. Thresholds, behind them in memory, are fetched where `fetch` asks for those of a word of channels; they
arrive in `thresholds` as they lie in memory, with `fetched`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.constants import (
    CodeThresholds,
    Field,
    PostConstants,
    code_thresholds,
    packed_words,
    post_constants,
)
from fracdse.accelerator.compact.weight_loader import RowReader
from fracdse.accelerator.pipeline import delayed
from fracdse.accelerator.rom import Rom
from fracdse.compact_constants import constant_shape
from fracdse.compact_plan import LANES
from fracdse.program.model import Program


class ConstantMemory:
    """What the memory holds: `words` of `width` bits; a post takes `post_words` of them, thresholds `code_words`."""

    def __init__(self, program: Program) -> None:
        self.post: PostConstants = post_constants(program)
        self.thresholds: CodeThresholds = code_thresholds(program)
        posts = sum(len(layer) for layer in self.post.values["gate"]) // LANES
        codes = sum(len(layer) for layer in self.thresholds.values["upper"]) // LANES
        shape = constant_shape(_bits(self.post.fields), posts, _bits(self.thresholds.fields), codes)
        self.width, self.post_words, self.code_words = shape.width, shape.post_words, shape.code_words
        layers = len(program.convs)
        all_posts = [self._packed(self.post, layer, self.width) for layer in range(layers + 1)]
        all_codes = [self._packed(self.thresholds, layer, self.width) for layer in range(layers)]
        self.words = [word for layer in (*all_posts, *all_codes) for word in layer]
        self.first_threshold = sum(map(len, all_posts))

    def _packed(self, constants: PostConstants | CodeThresholds, layer: int, width: int) -> list[int]:
        return packed_words(constants.values, constants.fields, layer, width)


def _bits(fields: Sequence[Field]) -> int:
    return sum(field.bits for field in fields)


def lanes_layout(fields: Sequence[Field]) -> data.ArrayLayout:
    """Describe the constants of all lanes as they lie in memory."""
    return data.ArrayLayout(data.StructLayout({field.name: field.bits for field in fields}), LANES)


class ConstantStore(wiring.Component):
    """Memory and registers of constants; see the module's description.

    Args:
        memory: What it holds.
        stages: For each field of a post, in how many cycles after `switch` it is taken over.
    """

    def __init__(self, memory: ConstantMemory, stages: Mapping[str, int]) -> None:
        self._memory = memory
        self._stages = stages
        super().__init__(
            {
                "switch": In(1),
                "ends_row": In(1),
                "ends_layer": In(1),
                "ends_frame": In(1),
                "loaded": Out(1),
                "post": Out(lanes_layout(memory.post.fields)),
                "fetch": In(1),
                "fetch_address": In(range(len(memory.words))),
                "fetched": Out(1),
                "thresholds": Out(memory.code_words * memory.width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        memory = self._memory
        m.submodules.memory = rom = Rom(memory.words, memory.width, block=True)
        left, fetch_left = Signal(range(memory.post_words + 1)), Signal(range(memory.code_words + 1))
        fetching, reading = Signal(), Signal()
        m.d.comb += [fetching.eq(fetch_left != 0), reading.eq((left != 0) & ~fetching)]
        reader = RowReader(m, len(memory.words), reading)
        fetch_address = Signal.like(self.fetch_address)
        m.d.comb += rom.address.eq(Mux(fetching, fetch_address, reader.address))

        last_stage = max(self._stages.values())
        ends = Cat(self.ends_row, self.ends_layer, self.ends_frame)
        held = Signal(len(ends), init=0)
        with m.If(self.switch):
            m.d.sync += held.eq(ends)
        row, layer, frame = held
        first = Signal(init=1)
        m.d.sync += first.eq(0)
        begin = delayed(m, self.switch, last_stage + 1) | first
        reader.begin(begin, row & ~layer, row & layer, row & layer & frame)
        with m.If(begin):
            m.d.sync += left.eq(memory.post_words)
        with m.Elif(reading):
            m.d.sync += left.eq(left - 1)
        with m.If(self.fetch):
            m.d.sync += [fetch_left.eq(memory.code_words), fetch_address.eq(self.fetch_address)]
        with m.Elif(fetching):
            m.d.sync += [fetch_left.eq(fetch_left - 1), fetch_address.eq(fetch_address + 1)]

        loading = self._shifted(m, rom.data, delayed(m, reading, 1), memory.post_words, "next_post")
        fetched = self._shifted(m, rom.data, delayed(m, fetching, 1), memory.code_words, "next_thresholds")
        m.d.comb += self.thresholds.eq(fetched)
        m.d.sync += self.fetched.eq(delayed(m, fetching & (fetch_left == 1), 1))
        complete = delayed(m, reading & (left == 1), 2)
        with m.If(self.switch):
            m.d.sync += self.loaded.eq(0)
        with m.Elif(complete):
            m.d.sync += self.loaded.eq(1)
        self._take_over(m, loading)
        return m

    def _shifted(self, m: Module, word: Value, strobe: Value, words: int, name: str) -> Value:
        """Collect so many words, the first one lowest."""
        held = Signal(words * len(word), name=name, reset_less=True)
        with m.If(strobe):
            m.d.sync += held.eq(Cat(held, word)[len(word) :])
        return held

    def _take_over(self, m: Module, loaded: Value) -> None:
        """Take each field over when its stage comes."""
        layout = self.post.shape()
        new = data.View(layout, loaded[: layout.size])
        strobes = [self.switch]
        for _ in range(max(self._stages.values())):
            strobes.append(delayed(m, strobes[-1], 1))
        for name, stage in self._stages.items():
            with m.If(strobes[stage]):
                m.d.sync += (self.post[lane][name].eq(new[lane][name]) for lane in range(LANES))
