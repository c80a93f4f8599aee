"""The gated convolution: window, then the engine that its folding asks for."""

from __future__ import annotations

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import signed_bits
from fracdse.accelerator.folded_engine import FoldedEngine
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.sliced_engine import SlicedEngine
from fracdse.accelerator.streams import lanes_stream
from fracdse.accelerator.unrolled_engine import UNROLLED_STEPS, UnrolledEngine
from fracdse.accelerator.window import Window
from fracdse.accelerator.window_types import WindowGeometry
from fracdse.folding import LayerFolding, codes_a_beat, queued_codes, queued_pixels
from fracdse.program.model import GatedConvProgram
from fracdse.topology import GatedConvSpec

_SMALL_MEMORY_WORDS = 32


def sum_bits(spec: GatedConvSpec, program: GatedConvProgram) -> int:
    """Return the width of y, signed: |y| ≤ 3·fan-in, or `clip_bits` where the layer clips to fewer."""
    full = signed_bits(-3 * spec.fan_in, 3 * spec.fan_in)
    return min(full, program.clip_bits) if program.clip_bits else full


def relaxed_window(geometry: WindowGeometry, steps: int) -> bool:
    """Return whether the window may take two cycles a pixel: two rows fit a small memory, the lanes take longer."""
    return geometry.width <= _SMALL_MEMORY_WORDS // 2 and 2 * geometry.stride**2 <= steps + 1


class GatedConv(wiring.Component):
    """Compute y = 2·M + gate·L of every output pixel and channel (fracdse.program.model).

    activations: one beat a pixel, natural channel order; where the fan-in is sliced and the producer's lanes divide a
    group of channels, `codes` codes a beat in the producer's order. `codes_arriving` a beat come from the producer;
    where a layer has a queue in front, of `queued_pixels` pixels, it puts them together. sums: channels/lanes beats a
    pixel in the order of the folding. open_gates, open_gates_valid: number of open gates of a pixel, once a pixel, or
    of a channel. A synchronous reset returns to the first pixel of a frame.
    """

    def __init__(
        self, spec: GatedConvSpec, program: GatedConvProgram, folding: LayerFolding, producer: Schedule
    ) -> None:
        self.spec, self.program, self.folding, self.producer = spec, program, folding, producer
        self.codes_arriving = codes_a_beat(spec.in_channels, folding.slices, producer.lanes)
        self.queued_pixels = queued_pixels(spec, folding.slices)
        self.codes = queued_codes(spec.in_channels, folding.slices, self.codes_arriving, self.queued_pixels)
        self.y_bits = sum_bits(spec, program)
        self.geometry = WindowGeometry.of(spec)
        self.schedule = Schedule.of(spec.out_channels, folding)
        super().__init__(
            {
                "activations": In(lanes_stream(unsigned(2), self.codes)),
                "sums": Out(lanes_stream(signed(self.y_bits), folding.lanes)),
                "open_gates": Out(spec.out_channels.bit_length()),
                "open_gates_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect window and engine."""
        m = Module()
        if self.folding.slices > 1:
            m.submodules.engine = sliced = self._sliced()
            wiring.connect(m, wiring.flipped(self.activations), sliced.activations)
            wiring.connect(m, sliced.sums, wiring.flipped(self.sums))
            m.d.comb += [self.open_gates.eq(sliced.open_gates), self.open_gates_valid.eq(sliced.open_gates_valid)]
            return m
        m.submodules.window = window = Window(self.geometry, relaxed=relaxed_window(self.geometry, self.schedule.steps))
        m.submodules.engine = engine = self._engine()
        wiring.connect(m, wiring.flipped(self.activations), window.activations)
        wiring.connect(m, window.columns, engine.columns)
        wiring.connect(m, engine.sums, wiring.flipped(self.sums))
        m.d.comb += [self.open_gates.eq(engine.open_gates), self.open_gates_valid.eq(engine.open_gates_valid)]
        return m

    def _sliced(self) -> SlicedEngine:
        """Compute with one lane, a slice of the fan-in a cycle."""
        whole = self.codes_arriving == self.spec.in_channels
        return SlicedEngine(
            self.geometry,
            self.program,
            self.schedule,
            tuple(range(self.spec.in_channels)) if whole else self.producer.order,
            codes=self.codes,
            slices=self.folding.slices,
            kind=self.folding.weight_memory,
            y_bits=self.y_bits,
        )

    def _engine(self) -> FoldedEngine | UnrolledEngine:
        """Compute all channels at once where their weights may be constants and leave in one or two beats."""
        memory = self.folding.weight_memory
        if memory == "logic" and self.schedule.steps <= UNROLLED_STEPS:
            return UnrolledEngine(self.geometry, self.program, self.schedule, self.y_bits)
        return FoldedEngine(self.geometry, self.program, self.schedule, memory, self.y_bits)
