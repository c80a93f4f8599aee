"""The whole accelerator: units in a row, AXI4-Stream at both ends, AXI4-Lite beside.

One clock, `clk`; `reset` is synchronous and active high. Stream and register formats: `fracdse.registers`. Ports carry
Vivado's standard names, so that its IP packager finds the interfaces s_axis, m_axis and s_axi by itself.
"""

from __future__ import annotations

from amaranth.hdl import ClockDomain, DomainRenamer, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.control import Control
from fracdse.accelerator.units import LayerUnits, Units
from fracdse.registers import ADDRESS_BITS

_PORTS = {
    "clk": In(1),
    "reset": In(1),
    "s_axis_tdata": In(32),
    "s_axis_tvalid": In(1),
    "s_axis_tready": Out(1),
    "s_axis_tlast": In(1),
    "m_axis_tdata": Out(32),
    "m_axis_tkeep": Out(4),
    "m_axis_tvalid": Out(1),
    "m_axis_tready": In(1),
    "m_axis_tlast": Out(1),
    "s_axi_awaddr": In(ADDRESS_BITS),
    "s_axi_awprot": In(3),
    "s_axi_awvalid": In(1),
    "s_axi_awready": Out(1),
    "s_axi_wdata": In(32),
    "s_axi_wstrb": In(4),
    "s_axi_wvalid": In(1),
    "s_axi_wready": Out(1),
    "s_axi_bresp": Out(2),
    "s_axi_bvalid": Out(1),
    "s_axi_bready": In(1),
    "s_axi_araddr": In(ADDRESS_BITS),
    "s_axi_arprot": In(3),
    "s_axi_arvalid": In(1),
    "s_axi_arready": Out(1),
    "s_axi_rdata": Out(32),
    "s_axi_rresp": Out(2),
    "s_axi_rvalid": Out(1),
    "s_axi_rready": In(1),
}


class Accelerator(wiring.Component):
    """Dataflow accelerator: the units that `make_units` made of a program, connected."""

    def __init__(self, units: Units) -> None:
        self.units = units
        super().__init__(_PORTS)

    def elaborate(self, platform: object) -> Module:
        """Connect the units; the data path has a reset of its own, which the register CONTROL can set off."""
        m = Module()
        units = self.units
        m.domains.sync = data_path = ClockDomain("sync")
        m.domains.control = control_path = ClockDomain("control")
        data_path.clk = control_path.clk = self.clk
        control_path.rst = self.reset
        m.d.comb += data_path.rst.eq(self.reset | units.control.restart)

        for name, unit in units.named().items():
            m.submodules[name] = DomainRenamer("control")(unit) if unit is units.control else unit
        stream = units.stem.u
        for index, layer in enumerate(units.layers):
            stream = self._layer(m, index, layer, stream)
        wiring.connect(m, stream, units.pool.u)
        wiring.connect(m, units.pool.pooled, units.classifier.pooled)
        self._registers(m, units.control)
        self._streams(m, units)
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

    def _streams(self, m: Module, units: Units) -> None:
        """Open the input during a run, and mark the run's last logit."""
        control, stem, classifier = units.control, units.stem, units.classifier
        m.d.comb += [
            stem.words.payload.eq(self.s_axis_tdata),
            stem.words.valid.eq(self.s_axis_tvalid & control.input_open),
            self.s_axis_tready.eq(stem.words.ready & control.input_open),
            control.word_taken.eq(self.s_axis_tvalid & self.s_axis_tready),
            control.frame_taken.eq(stem.frame_taken),
            self.m_axis_tdata.eq(classifier.logits.payload),
            self.m_axis_tkeep.eq(0b1111),
            self.m_axis_tvalid.eq(classifier.logits.valid),
            self.m_axis_tlast.eq(classifier.last & control.last_frame),
            classifier.logits.ready.eq(self.m_axis_tready),
            control.frame_done.eq(classifier.last & self.m_axis_tready),
        ]

    def _registers(self, m: Module, control: Control) -> None:
        """Give the register interface its port names."""
        for name in ("awaddr", "awvalid", "wdata", "wvalid", "bready", "araddr", "arvalid", "rready"):
            m.d.comb += getattr(control.axi, name).eq(getattr(self, f"s_axi_{name}"))
        for name in ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid"):
            m.d.comb += getattr(self, f"s_axi_{name}").eq(getattr(control.axi, name))
