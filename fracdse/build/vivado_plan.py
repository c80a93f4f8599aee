"""The build plan for Vivado: Verilog, its wrapper for the block design, settings, and one Tcl script a step.

The scripts and what of them has been run are described in docs/vivado.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fracdse import registers, system
from fracdse.build.plan import BuildPlan
from fracdse.build.processor import BOARD_PATTERNS, processor_of
from fracdse.build.vivado_steps import STEPS
from fracdse.errors import ConfigError
from fracdse.hardware.devices import Device

_TCL_FOLDER = Path(__file__).with_name("tcl")
_DEFAULT_JOBS = 4
_REGISTER_ADDRESS_BITS = 16


def vivado_plan(
    verilog: str, top: str, device: Device, clock_mhz: float, extra: Mapping[str, bytes] | None = None
) -> BuildPlan:
    """Return the files that turn an accelerator into a bitstream.

    Args:
        verilog: The accelerator, with the ports of fracdse/registers.py.
        top: Name of its top module.
        device: The device, for part, family and board.
        clock_mhz: Clock of the fabric.
        extra: More files to carry, such as program, golden vectors and driver.

    Raises:
        ConfigError: There is no block design for the device, or the clock is out of range.
    """
    if not 1 <= clock_mhz <= 1000:
        raise ConfigError(f"clock = {clock_mhz:g} MHz is out of range; allowed: 1 to 1000 MHz")
    files = {f"tcl/{name}.tcl": (_TCL_FOLDER / f"{name}.tcl").read_bytes() for name in ("common", *STEPS)}
    files |= {
        "tcl/settings.tcl": settings_tcl(device, clock_mhz).encode(),
        "rtl/accelerator.v": verilog.encode(),
        "rtl/accelerator_wrapper.v": wrapper_verilog(top).encode(),
        "reports/README.txt": b"Vivado's reports are written here.\n",
        "README.txt": _README.encode(),
    }
    return BuildPlan({**files, **(extra or {})})


def settings_tcl(device: Device, clock_mhz: float) -> str:
    """Return the Tcl file that holds everything in which one build differs from another."""
    processor = processor_of(device.family)
    dma = {
        "c_include_sg": "0",
        "c_sg_include_stscntrl_strm": "0",
        "c_sg_length_width": str(system.DMA_LENGTH_BITS),
        "c_m_axi_mm2s_data_width": "64",
        "c_m_axis_mm2s_tdata_width": str(system.STREAM_BITS),
        "c_mm2s_burst_size": "16",
        "c_m_axi_s2mm_data_width": "64",
        "c_s2mm_burst_size": "16",
    }
    values = {
        "part": device.part,
        "board_patterns": " ".join(BOARD_PATTERNS.get(device.name, ())),
        "jobs": str(_DEFAULT_JOBS),
        "ps_core": processor.core,
        "ps_instance": processor.instance,
        "ps_master": processor.master,
        "ps_slave": processor.slave,
        "ps_memory": processor.memory,
        "ps_clock": processor.clock,
        "ps_reset": processor.reset,
        "ps_clock_inputs": " ".join(processor.clock_inputs),
        "ps_properties": _dict(processor.properties(clock_mhz)),
        "dma_instance": system.DMA_INSTANCE,
        "dma_properties": _dict({f"CONFIG.{name}": value for name, value in dma.items()}),
        "dma_address": f"0x{system.DMA_BASE_ADDRESS:08X}",
        "accelerator_instance": system.ACCELERATOR_INSTANCE,
        "accelerator_address": f"0x{system.ACCELERATOR_BASE_ADDRESS:08X}",
        "register_range": f"0x{system.REGISTER_RANGE_BYTES:X}",
    }
    lines = [f"set {name} {{{value}}}" for name, value in values.items()]
    return "\n".join(["# What this build is for; the steps read it.", *lines, ""])


def wrapper_verilog(top: str) -> str:
    """Return the module that the block design instantiates: the accelerator's ports, marked as AXI interfaces.

    The attributes are those of UG994, chapter 'Referencing RTL modules'. Addresses are as wide as the range that the
    block design gives to the registers.
    """
    ports = ",\n".join(f"    {attributes}{declaration}" for attributes, declaration, _ in _PORTS)
    connections = ",\n".join(
        f"        .{name}({expression})" for _, declaration, expression in _PORTS for name in [_port(declaration)]
    )
    return f"""// The accelerator as the block design sees it.
module accelerator_wrapper (
{ports}
);
    {top} accelerator (
{connections}
    );
endmodule
"""


def _interface(name: str, signal: str, kind: str) -> str:
    return f'(* X_INTERFACE_INFO = "xilinx.com:interface:{kind}:1.0 {name} {signal}" *)\n    '


def _signal(name: str, signal: str, direction: str, bits: int, kind: str) -> tuple[str, str, str]:
    width = f"[{bits - 1}:0] " if bits > 1 else ""
    port = f"{name}_{signal.lower()}"
    address = signal in ("AWADDR", "ARADDR")
    expression = f"{port}[{registers.ADDRESS_BITS - 1}:0]" if address else port
    return _interface(name, signal, kind), f"{direction} wire {width}{port}", expression


def _port(declaration: str) -> str:
    return declaration.split()[-1]


_CLOCK = (
    '(* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 clk CLK" *)\n    '
    '(* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET reset" *)\n    '
)
_RESET = (
    '(* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 reset RST" *)\n    '
    '(* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_HIGH" *)\n    '
)
_AXIS, _AXI, _A = "axis", "aximm", _REGISTER_ADDRESS_BITS
_PORTS = [
    (_CLOCK, "input wire clk", "clk"),
    (_RESET, "input wire reset", "reset"),
    *(_signal("s_axis", name, direction, bits, _AXIS) for name, direction, bits in (
        ("TDATA", "input", 32), ("TVALID", "input", 1), ("TREADY", "output", 1), ("TLAST", "input", 1))),
    *(_signal("m_axis", name, direction, bits, _AXIS) for name, direction, bits in (
        ("TDATA", "output", 32), ("TKEEP", "output", 4), ("TVALID", "output", 1), ("TREADY", "input", 1),
        ("TLAST", "output", 1))),
    *(_signal("s_axi", name, direction, bits, _AXI) for name, direction, bits in (
        ("AWADDR", "input", _A), ("AWPROT", "input", 3), ("AWVALID", "input", 1), ("AWREADY", "output", 1),
        ("WDATA", "input", 32), ("WSTRB", "input", 4), ("WVALID", "input", 1), ("WREADY", "output", 1),
        ("BRESP", "output", 2), ("BVALID", "output", 1), ("BREADY", "input", 1),
        ("ARADDR", "input", _A), ("ARPROT", "input", 3), ("ARVALID", "input", 1), ("ARREADY", "output", 1),
        ("RDATA", "output", 32), ("RRESP", "output", 2), ("RVALID", "output", 1), ("RREADY", "input", 1))),
]  # fmt: skip

_README = """Build plan of a fracdse accelerator
===================================

Run on a machine with Vivado 2020.1 to 2025.x, in this folder, one after the other:

    vivado -mode batch -source tcl/project.tcl
    vivado -mode batch -source tcl/synthesis.tcl
    vivado -mode batch -source tcl/implementation.tcl
    vivado -mode batch -source tcl/bitstream.tcl

Each step ends with an error if it fails; a failed or interrupted step can be run again. The last one refuses a design
that does not meet its timing. Results: system.bit, system.hwh, and the reports in reports/; steps/ says what is done.

Then copy this folder back to where it came from and repeat the `fracdse deploy` that wrote it, without --plan-only: it
takes up what was built, packs the bundle and compares the reports with the estimate; no Vivado is needed there.
"""


def _dict(values: Mapping[str, str]) -> str:
    return " ".join(f"{name} {{{value}}}" for name, value in values.items())
