"""AXI4-Lite slave: one transaction at a time each way, turned into plain register strobes.

Writes take address and data in any order; byte strobes are ignored, registers are always written whole. A read asks
with `read_strobe` and waits for `read_done`. All responses are OKAY.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.registers import ADDRESS_BITS

AXI_LITE = wiring.Signature(
    {
        "awaddr": Out(ADDRESS_BITS),
        "awvalid": Out(1),
        "awready": In(1),
        "wdata": Out(32),
        "wvalid": Out(1),
        "wready": In(1),
        "bresp": In(2),
        "bvalid": In(1),
        "bready": Out(1),
        "araddr": Out(ADDRESS_BITS),
        "arvalid": Out(1),
        "arready": In(1),
        "rdata": In(32),
        "rresp": In(2),
        "rvalid": In(1),
        "rready": Out(1),
    }
)


class AxiLite(wiring.Component):
    """Protocol only; see the module's description.

    Members: `write_strobe` with `write_address` and `write_data` for one cycle a write; `read_strobe` high with
    `read_address` from the request until `read_done`, in which cycle `read_data` is taken. Addresses are of words.
    """

    def __init__(self) -> None:
        words = ADDRESS_BITS - 2
        super().__init__(
            {
                "axi": In(AXI_LITE),
                "write_strobe": Out(1),
                "write_address": Out(words),
                "write_data": Out(32),
                "read_strobe": Out(1),
                "read_address": Out(words),
                "read_done": In(1),
                "read_data": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        axi = self.axi
        has_address, has_data = Signal(), Signal()
        m.d.comb += [
            axi.awready.eq(~has_address),
            axi.wready.eq(~has_data),
            self.write_strobe.eq(has_address & has_data & ~axi.bvalid),
        ]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [has_address.eq(1), self.write_address.eq(axi.awaddr[2:])]
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [has_data.eq(1), self.write_data.eq(axi.wdata)]
        with m.If(self.write_strobe):
            m.d.sync += [has_address.eq(0), has_data.eq(0), axi.bvalid.eq(1)]
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += axi.bvalid.eq(0)

        m.d.comb += axi.arready.eq(~self.read_strobe & ~axi.rvalid)
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [self.read_strobe.eq(1), self.read_address.eq(axi.araddr[2:])]
        with m.If(self.read_strobe & self.read_done):
            m.d.sync += [self.read_strobe.eq(0), axi.rvalid.eq(1), axi.rdata.eq(self.read_data)]
        with m.If(axi.rvalid & axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        return m
