"""What every accelerator has around its units: AXI4-Stream at both ends, AXI4-Lite beside.

One clock, `clk`; `reset` is synchronous and active high. Stream and register formats: `fracdse.registers`. Ports carry
Vivado's standard names, so that its IP packager finds the interfaces s_axis, m_axis and s_axi by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from amaranth.hdl import ClockDomain, DomainRenamer, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.classifier import Classifier
from fracdse.accelerator.control import Control
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


class InputUnit(Protocol):
    """The unit that takes the input stream."""

    words: stream.Interface
    frame_taken: Signal


class SystemPorts(wiring.Component):
    """The ports of an accelerator, and how its first, last and control unit hang on them."""

    def __init__(self) -> None:
        super().__init__(_PORTS)

    def add_units(self, m: Module, units: Mapping[str, Elaboratable], control: Control) -> None:
        """Add the units; the data path has a reset of its own, which the register CONTROL can set off."""
        m.domains.sync = data_path = ClockDomain("sync")
        m.domains.control = control_path = ClockDomain("control")
        data_path.clk = control_path.clk = self.clk
        control_path.rst = self.reset
        m.d.comb += data_path.rst.eq(self.reset | control.restart)
        for name, unit in units.items():
            m.submodules[name] = DomainRenamer("control")(unit) if unit is control else unit

    def connect_system(self, m: Module, control: Control, first: InputUnit, classifier: Classifier) -> None:
        """Give the register interface its port names, open the input during a run, mark the run's last logit."""
        for name in ("awaddr", "awvalid", "wdata", "wvalid", "bready", "araddr", "arvalid", "rready"):
            m.d.comb += getattr(control.axi, name).eq(getattr(self, f"s_axi_{name}"))
        for name in ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid"):
            m.d.comb += getattr(self, f"s_axi_{name}").eq(getattr(control.axi, name))
        m.d.comb += [
            first.words.payload.eq(self.s_axis_tdata),
            first.words.valid.eq(self.s_axis_tvalid & control.input_open),
            self.s_axis_tready.eq(first.words.ready & control.input_open),
            control.word_taken.eq(self.s_axis_tvalid & self.s_axis_tready),
            control.frame_taken.eq(first.frame_taken),
            self.m_axis_tdata.eq(classifier.logits.payload),
            self.m_axis_tkeep.eq(0b1111),
            self.m_axis_tvalid.eq(classifier.logits.valid),
            self.m_axis_tlast.eq(classifier.last & control.last_frame),
            classifier.logits.ready.eq(self.m_axis_tready),
            control.frame_done.eq(classifier.last & self.m_axis_tready),
        ]
