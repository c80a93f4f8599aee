"""The 3×3 convolution of an SI branch on its few channels, depthwise or full.

Stream in: `a`, one beat a pixel. Stream out: `b`, one beat an output pixel. `taps_at_once` of the nine taps are
multiplied in a cycle, so an output pixel takes ceil(9 / taps_at_once) cycles; each of them takes a multiplier (one
DSP slice) a weight.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.arithmetic import saturate, signed_bits
from fracdse.accelerator.counters import step_counter
from fracdse.accelerator.multiply import table_product
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.stem_window import StemWindow
from fracdse.accelerator.streams import lanes_stream
from fracdse.program.model import SIProgram

_TAPS = 9


def taps_at_once(steps: int) -> int:
    """Return how many taps a cycle keep up with a layer of this many steps a pixel."""
    return -(-_TAPS // min(steps, _TAPS))


class Interaction(wiring.Component):
    """b = sat((Σ interaction·a + half) >> shift); see the module's description.

    Args:
        program: Weights (S, 1 or S, 3, 3) and shifts.
        height: Rows of the input.
        width: Columns of the input.
        stride: 1 or 2.
        taps: Taps a cycle.
    """

    def __init__(self, program: SIProgram, *, height: int, width: int, stride: int, taps: int) -> None:
        self._program = program
        self._channels = program.interaction.shape[0]
        self._taps = taps
        bits = program.bits * self._channels
        self._window = StemWindow(bits=bits, height=height, width=width, stride=stride, border=0)
        layout = lanes_stream(signed(program.bits), self._channels)
        super().__init__({"a": In(layout), "b": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.window = window = self._window
        m.d.comb += [
            window.pixels.payload.eq(self.a.payload),
            window.pixels.valid.eq(self.a.valid),
            self.a.ready.eq(window.pixels.ready),
        ]
        enable, issue = Signal(), Signal()
        taken = window.window
        m.d.comb += [enable.eq(~self.b.valid | self.b.ready), issue.eq(enable & taken.valid)]
        pipe = Pipeline(m, enable)
        rounds = -(-_TAPS // self._taps)
        turn, last = step_counter(m, rounds, issue)
        m.d.comb += taken.ready.eq(enable & last)
        valid: Value = taken.valid
        marks: Value = Cat(turn == 0, last)
        chosen = [self._tap(pipe, index, turn, rounds) for index in range(self._taps)]
        turn_1 = pipe.register(turn)
        for _ in range(4):
            valid = pipe.valid(valid)
            marks = pipe.register(marks)
        results = [
            self._channel(m, pipe, out, chosen, turn_1, enable & valid, marks[0]) for out in range(self._channels)
        ]
        complete = pipe.valid(pipe.valid(valid & marks[1]))
        m.d.comb += [self.b.valid.eq(complete), self.b.payload.eq(Cat(results))]
        return m

    def _tap(self, pipe: Pipeline, index: int, turn: Value, rounds: int) -> Value:
        """Return the pixel of multiplier `index`, one stage later: tap turn·taps + index, or 0 past the last."""
        taps = self._window.window.payload
        positions = [round_ * self._taps + index for round_ in range(rounds)]
        zero = Const(0, self._program.bits * self._channels)
        options = Array([taps[position] if position < _TAPS else zero for position in positions])
        return pipe.register(options[turn], name="tap")

    def _channel(
        self, m: Module, pipe: Pipeline, out: int, chosen: list[Value], turn: Value, add: Value, first: Value
    ) -> Value:
        """Multiply and add up one channel of b."""
        program = self._program
        weights = program.interaction[out].reshape(-1, _TAPS)
        sources = [out] if weights.shape[0] == 1 else list(range(self._channels))
        padded = np.pad(weights, ((0, 0), (0, self._taps)))
        products = []
        for index, pixel in enumerate(chosen):
            for row, source in zip(padded, sources, strict=True):
                entries = [int(value) for value in row[index : _TAPS + index : self._taps]]
                value = pixel.word_select(source, program.bits).as_signed()
                products.append(table_product(pipe, value, turn, entries))
        part = pipe.register(sum(products[1:], start=products[0]), name="part")
        bound = int(abs(weights).sum()) << (program.bits - 1)
        total = Signal(signed(signed_bits(-bound - 1, bound)), name="total", reset_less=True)
        with m.If(add):
            m.d.sync += total.eq(Mux(first, 0, total) + part)
        half = (1 << program.interaction_shift) >> 1
        return pipe.register(saturate((total + half) >> program.interaction_shift, program.bits), name="b")
