"""The squeeze-and-interaction branch beside a gated convolution: squeeze, FIFO, interaction, FIFO, expand.

Stream in: `u`, in the order of the layer that made it. Stream out: `si`, in the order of this layer's sums. It needs
the same row of pixels ahead as the convolution, so both paths meet again without a deadlock; the FIFOs even out their
bursts.
"""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.si_interaction import Interaction, taps_at_once
from fracdse.accelerator.si_products import Expand, Squeeze, si_bits
from fracdse.accelerator.stream_fifo import StreamFifo
from fracdse.accelerator.streams import feature_stream, lanes_stream
from fracdse.program.model import SIProgram
from fracdse.topology import GatedConvSpec

_SLACK_PIXELS = 16


class SIBranch(wiring.Component):
    """SI branch of one layer; see the module's description.

    Args:
        spec: Geometry of the layer.
        program: Constants of the branch.
        producer: Order of the channels on `u`.
        consumer: Order of the channels on `si`.
        feature_bits: Width of a residual word.
    """

    def __init__(
        self, spec: GatedConvSpec, program: SIProgram, producer: Schedule, consumer: Schedule, *, feature_bits: int
    ) -> None:
        self._spec = spec
        self._program = program
        self._producer = producer
        self._consumer = consumer
        self._feature_bits = feature_bits
        self.bits = si_bits(program)
        super().__init__(
            {
                "u": In(feature_stream(feature_bits, producer.lanes)),
                "si": Out(lanes_stream(signed(self.bits), consumer.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        spec, program = self._spec, self._program
        layout = data.ArrayLayout(signed(program.bits), program.squeeze.shape[0])
        m.submodules.squeeze = squeeze = Squeeze(program, self._producer, feature_bits=self._feature_bits)
        m.submodules.before = before = StreamFifo(layout, _SLACK_PIXELS)
        m.submodules.interaction = interaction = Interaction(
            program,
            height=spec.in_height,
            width=spec.in_width,
            stride=spec.stride,
            taps=taps_at_once(self._consumer.steps),
        )
        m.submodules.after = after = StreamFifo(layout, _SLACK_PIXELS)
        m.submodules.expand = expand = Expand(program, self._consumer)
        wiring.connect(m, wiring.flipped(self.u), squeeze.u)
        wiring.connect(m, squeeze.a, before.source)
        wiring.connect(m, before.sink, interaction.a)
        wiring.connect(m, interaction.b, after.source)
        wiring.connect(m, after.sink, expand.b)
        wiring.connect(m, expand.si, wiring.flipped(self.si))
        return m
