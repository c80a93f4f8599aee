"""The processing systems that the block design can stand beside, as Vivado names their ports and settings.

References: PG201 (Zynq UltraScale+ processing system), PG082 (Zynq-7000 processing system), UG1085 and UG585 (clocks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fracdse.errors import ConfigError


@dataclass(frozen=True)
class Processor:
    """One kind of processing system.

    Attributes:
        core: Name of the IP core, and of the rule that applies a board's preset to it.
        master: AXI port to the fabric's registers.
        slave: AXI port to the memory.
        memory: Address segment of the memory behind that port.
        clock: Output of the fabric's clock.
        reset: Reset output that belongs to it, active low.
        clock_inputs: Clock inputs of the two AXI ports.
        settings: Properties of the core.
        clock_setting: The property that takes the fabric's clock in MHz.
        pll_mhz: The I/O PLL from which two dividers make the fabric's clock.
    """

    core: str
    master: str
    slave: str
    memory: str
    clock: str
    reset: str
    clock_inputs: tuple[str, ...]
    settings: Mapping[str, str]
    clock_setting: str
    pll_mhz: float

    @property
    def instance(self) -> str:
        """Name in the block design."""
        return f"{self.core}_0"

    def properties(self, clock_mhz: float) -> dict[str, str]:
        """Return the core's properties for a fabric clock."""
        settings = {**self.settings, self.clock_setting: f"{clock_mhz:g}"}
        return {f"CONFIG.{name}": value for name, value in settings.items()}

    def clocks_mhz(self) -> list[float]:
        """Return every clock that the PLL's two dividers (1 to 63 each) can make, the fastest first."""
        return sorted(
            {self.pll_mhz / (first * second) for first in range(1, 64) for second in range(1, 64)}, reverse=True
        )


_BY_FAMILY = {
    "xcup": Processor(
        core="zynq_ultra_ps_e",
        master="M_AXI_HPM0_FPD",
        slave="S_AXI_HP0_FPD",
        memory="SAXIGP2/HP0_DDR_LOW",
        clock="pl_clk0",
        reset="pl_resetn0",
        clock_inputs=("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"),
        settings={
            "PSU__USE__M_AXI_GP0": "1",
            "PSU__USE__M_AXI_GP1": "0",
            "PSU__USE__M_AXI_GP2": "0",
            "PSU__MAXIGP0__DATA_WIDTH": "32",
            "PSU__USE__S_AXI_GP2": "1",
            "PSU__SAXIGP2__DATA_WIDTH": "64",
            "PSU__FPGA_PL0_ENABLE": "1",
            "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
        },
        clock_setting="PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        pll_mhz=1500.0,
    ),
    "xc7": Processor(
        core="processing_system7",
        master="M_AXI_GP1",
        slave="S_AXI_HP0",
        memory="S_AXI_HP0/HP0_DDR_LOWOCM",
        clock="FCLK_CLK0",
        reset="FCLK_RESET0_N",
        clock_inputs=("M_AXI_GP1_ACLK", "S_AXI_HP0_ACLK"),
        settings={
            "PCW_USE_M_AXI_GP0": "0",
            "PCW_USE_M_AXI_GP1": "1",
            "PCW_USE_S_AXI_HP0": "1",
            "PCW_S_AXI_HP0_DATA_WIDTH": "64",
            "PCW_EN_CLK0_PORT": "1",
            "PCW_EN_RST0_PORT": "1",
            "PCW_FCLK0_PERIPHERAL_CLKSRC": "IO PLL",
        },
        clock_setting="PCW_FPGA0_PERIPHERAL_FREQMHZ",
        pll_mhz=1000.0,
    ),
}
# How Vivado's board store names the boards that fracdse knows, the newer name first; any of their versions will do.
BOARD_PATTERNS = {
    "ultra96v2": ("avnet.com:ultra96v2:part0:*", "em.avnet.com:ultra96v2:part0:*"),
    "kv260": ("xilinx.com:kv260_som:part0:*",),
    "zcu104": ("xilinx.com:zcu104:part0:*",),
    "pynq-z2": ("tul.com.tw:pynq-z2:part0:*",),
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
