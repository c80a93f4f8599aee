"""The processing systems that the block design can stand beside, as Vivado names their ports and settings.

References: PG201 (Zynq UltraScale+ processing system), PG082 (Zynq-7000 processing system), UG1085 and UG585 (clocks).
"""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.errors import ConfigError


@dataclass(frozen=True)
class Processor:
    """One kind of processing system.

    Attributes:
        ip: The IP core, without version.
        rule: Block automation that applies the board's preset.
        instance: Name in the block design.
        master: AXI port to the fabric's registers.
        slave: AXI port to the memory.
        clock: Output of the fabric's clock.
        reset: Reset output that belongs to it, active low.
        clock_inputs: Clock inputs of the two AXI ports.
        settings: Properties; `{clock}` stands for the clock in MHz.
        pll_mhz: The I/O PLL from which two dividers make the fabric's clock.
    """

    ip: str
    rule: str
    instance: str
    master: str
    slave: str
    clock: str
    reset: str
    clock_inputs: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    pll_mhz: float

    def properties(self, clock_mhz: float) -> dict[str, str]:
        """Return the core's properties for a fabric clock."""
        return {f"CONFIG.{name}": value.format(clock=f"{clock_mhz:g}") for name, value in self.settings}

    def clocks_mhz(self) -> list[float]:
        """Return every clock that the PLL's two dividers (1 to 63 each) can make, the fastest first."""
        return sorted(
            {self.pll_mhz / (first * second) for first in range(1, 64) for second in range(1, 64)}, reverse=True
        )


_ZYNQMP = Processor(
    ip="xilinx.com:ip:zynq_ultra_ps_e",
    rule="xilinx.com:bd_rule:zynq_ultra_ps_e",
    instance="zynq_ultra_ps_e_0",
    master="M_AXI_HPM0_FPD",
    slave="S_AXI_HP0_FPD",
    clock="pl_clk0",
    reset="pl_resetn0",
    clock_inputs=("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"),
    settings=(
        ("PSU__USE__M_AXI_GP0", "1"),
        ("PSU__USE__M_AXI_GP1", "0"),
        ("PSU__USE__M_AXI_GP2", "0"),
        ("PSU__MAXIGP0__DATA_WIDTH", "32"),
        ("PSU__USE__S_AXI_GP2", "1"),
        ("PSU__SAXIGP2__DATA_WIDTH", "64"),
        ("PSU__FPGA_PL0_ENABLE", "1"),
        ("PSU__CRL_APB__PL0_REF_CTRL__SRCSEL", "IOPLL"),
        ("PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ", "{clock}"),
    ),
    pll_mhz=1500.0,
)
_ZYNQ = Processor(
    ip="xilinx.com:ip:processing_system7",
    rule="xilinx.com:bd_rule:processing_system7",
    instance="processing_system7_0",
    master="M_AXI_GP1",
    slave="S_AXI_HP0",
    clock="FCLK_CLK0",
    reset="FCLK_RESET0_N",
    clock_inputs=("M_AXI_GP1_ACLK", "S_AXI_HP0_ACLK"),
    settings=(
        ("PCW_USE_M_AXI_GP0", "0"),
        ("PCW_USE_M_AXI_GP1", "1"),
        ("PCW_USE_S_AXI_HP0", "1"),
        ("PCW_S_AXI_HP0_DATA_WIDTH", "64"),
        ("PCW_EN_CLK0_PORT", "1"),
        ("PCW_EN_RST0_PORT", "1"),
        ("PCW_FCLK0_PERIPHERAL_CLKSRC", "IO PLL"),
        ("PCW_FPGA0_PERIPHERAL_FREQMHZ", "{clock}"),
    ),
    pll_mhz=1000.0,
)
_BY_FAMILY = {"xcup": _ZYNQMP, "xc7": _ZYNQ}
# How Vivado's board store names the boards that fracdse knows; any of their versions will do.
BOARD_PATTERNS = {
    "ultra96v2": "avnet.com:ultra96v2:part0:*",
    "kv260": "xilinx.com:kv260_som:part0:*",
    "zcu104": "xilinx.com:zcu104:part0:*",
    "pynq-z2": "tul.com.tw:pynq-z2:part0:*",
}


def processor_of(family: str) -> Processor:
    """Return the processing system of a device family, named as Yosys does.

    Raises:
        ConfigError: There is no block design for that family.
    """
    if family not in _BY_FAMILY:
        raise ConfigError(f"no block design for devices of the family '{family}'; known: {', '.join(_BY_FAMILY)}")
    return _BY_FAMILY[family]


def nearest_clock_mhz(family: str, limit_mhz: float) -> float:
    """Return the fastest clock that the family's PLL makes and that is not above `limit_mhz`."""
    return next(clock for clock in processor_of(family).clocks_mhz() if clock <= limit_mhz)
