"""The whole dataflow accelerator: units in a row, and the system's ports around them."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring

from fracdse.accelerator.system_ports import SystemPorts
from fracdse.accelerator.units import LayerUnits, Units


class Accelerator(SystemPorts):
    """Dataflow accelerator: the units that `make_units` made of a program, connected."""

    def __init__(self, units: Units) -> None:
        self.units = units
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        """Connect the units."""
        m = Module()
        units = self.units
        self.add_units(m, units.named(), units.control)
        stream = units.stem.u
        for index, layer in enumerate(units.layers):
            stream = self._layer(m, index, layer, stream)
        wiring.connect(m, stream, units.pool.u)
        wiring.connect(m, units.pool.pooled, units.classifier.pooled)
        self.connect_system(m, units.control, units.stem, units.classifier)
        return m

    def _layer(self, m: Module, index: int, layer: LayerUnits, stream: object) -> object:
        """Connect one gated convolution and its shortcut; return its stream of residual words."""
        wiring.connect(m, stream, layer.activation.u)
        codes = layer.activation.codes
        if layer.codes is not None:
            wiring.connect(m, codes, layer.codes.source)
            codes = layer.codes.sink
        wiring.connect(m, codes, layer.conv.activations)
        self._fork(m, layer)
        wiring.connect(m, layer.conv.sums, layer.post.sums)
        wiring.connect(m, layer.shortcut.x, layer.post.shortcut)
        if layer.si is not None:
            wiring.connect(m, layer.si.si, layer.post.si)
        control = self.units.control
        m.d.comb += [
            getattr(control, f"open_{index}").eq(layer.conv.open_gates),
            getattr(control, f"open_{index}_valid").eq(layer.conv.open_gates_valid),
        ]
        return layer.post.u

    def _fork(self, m: Module, layer: LayerUnits) -> None:
        """Give a layer's residual words to its shortcut and, at the same time, to its SI branch."""
        source = layer.activation.residual
        if layer.si is None:
            wiring.connect(m, source, layer.shortcut.u)
            return
        shortcut, si = layer.shortcut.u, layer.si.u
        m.d.comb += [
            shortcut.payload.eq(source.payload),
            si.payload.eq(source.payload),
            shortcut.valid.eq(source.valid & si.ready),
            si.valid.eq(source.valid & shortcut.ready),
            source.ready.eq(shortcut.ready & si.ready),
        ]
