"""The shortcut beside a gated convolution: average of stride×stride pixels, quantiser where there is one, FIFO.

Stream in: `u`, in the order and lanes of the layer that made it. Stream out: `x`, in the order and lanes of this
layer's sums, its channels repeated as cat(x, x). The FIFO holds what the convolution holds in its window and
pipeline, so that the two paths can meet again without a deadlock; `u.ready` depends on registers alone.
"""

from __future__ import annotations

from amaranth.hdl import Module, Shape, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.average_pool import AveragePool
from fracdse.accelerator.residual_fifo import ResidualFifo
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.shortcut_quantiser import ShortcutQuantiser
from fracdse.accelerator.streams import feature_stream, lanes_stream
from fracdse.errors import ConfigError
from fracdse.program.model import GatedConvProgram
from fracdse.topology import GatedConvSpec

PIPELINE_BEATS = 16
PIXEL_SLACK = 4


def residual_pixels(spec: GatedConvSpec, producer_steps: int) -> int:
    """Return the least number of pixels that the FIFO of a layer must hold.

    Between a pixel's arrival and its sums lie the rest of the window (a row and two pixels of a 3×3 kernel) and what
    the convolution's pipeline holds. An SI branch has a window of its own. A strided layer starts with a burst of
    half an input row's pixels instead.
    """
    window = 0
    if spec.stride > 1:
        window = spec.out_width
    elif spec.kernel > 1 or spec.si is not None:
        window = spec.in_width + 2
    return window + PIXEL_SLACK + -(-PIPELINE_BEATS // producer_steps)


class Shortcut(wiring.Component):
    """Shortcut of one layer; see the module's description.

    Args:
        spec: Geometry of the layer.
        program: Its constants.
        producer: Order of the channels on `u`.
        consumer: Order of the channels on `x`.
        feature_bits: Width of a residual word.
    """

    def __init__(
        self,
        spec: GatedConvSpec,
        program: GatedConvProgram,
        producer: Schedule,
        consumer: Schedule,
        *,
        feature_bits: int,
    ) -> None:
        if program.stride not in (1, 2):
            raise ConfigError(f"layer {program.name}: stride {program.stride} is not supported; allowed: 1, 2")
        self._spec = spec
        self._program = program
        self._producer = producer
        self._consumer = consumer
        self._bits = feature_bits
        self.shape = shortcut_shape(program, feature_bits)
        super().__init__(
            {
                "u": In(feature_stream(feature_bits, producer.lanes)),
                "x": Out(lanes_stream(self.shape, consumer.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        program, producer = self._program, self._producer
        words: Value = self.u.payload
        valid: Value = self.u.valid & self.u.ready
        in_flight = 0
        if program.stride == 2:
            m.submodules.pool = pool = AveragePool(
                feature_bits=self._bits, lanes=producer.lanes, steps=producer.steps, width=self._spec.in_width
            )
            m.d.comb += [pool.u.eq(words), pool.u_valid.eq(valid)]
            words, valid = pool.x, pool.x_valid
            in_flight += pool.latency
        if program.shortcut_thresholds is not None:
            assert program.shortcut_descending is not None
            m.submodules.quantiser = quantiser = ShortcutQuantiser(
                program.shortcut_thresholds, program.shortcut_descending, producer, feature_bits=self._bits
            )
            m.d.comb += [quantiser.x.eq(words), quantiser.x_valid.eq(valid)]
            words, valid = quantiser.code, quantiser.code_valid
            in_flight += quantiser.bits
        pixels = residual_pixels(self._spec, producer.steps)
        m.submodules.fifo = fifo = ResidualFifo(
            self.shape, producer, self._consumer, pixels=pixels, in_flight=in_flight
        )
        m.d.comb += [fifo.x.eq(words), fifo.x_valid.eq(valid), self.u.ready.eq(fifo.ready)]
        wiring.connect(m, fifo.read, wiring.flipped(self.x))
        return m


def shortcut_shape(program: GatedConvProgram, feature_bits: int) -> Shape:
    """Return the shape of a value of the shortcut: a residual word, or a code where the layer quantises it."""
    if program.shortcut_thresholds is None:
        return signed(feature_bits)
    return unsigned((program.shortcut_thresholds.shape[1] + 1).bit_length() - 1)
