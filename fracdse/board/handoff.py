"""Hardware handoff and placeholder bitstream of a simulated system, in the formats that pynq reads.

A real build takes both from Vivado. The simulated board has no fabric to configure, so its bitstream carries the build
id alone, in a file as large as a real one; the handoff describes the system of `fracdse.system` with the names and
addresses of the real one.
"""

from __future__ import annotations

import struct
from array import array
from xml.etree import ElementTree as Xml

from fracdse import system

SIMULATED_MAGIC = b"fracdse-simulated"
# As large as a XCZU3EG's, so that copying takes as many messages.
CONFIGURATION_BYTES = 5_568_768
_AXI = "xilinx.com:interface:aximm:1.0"
_STREAM = "xilinx.com:interface:axis:1.0"
_PS_INSTANCE = "zynq_ultra_ps_e_0"
_REFERENCE_CLOCK_MHZ = 33.333
_IOPLL_MULTIPLIER = 45


def simulated_bitstream(build_id: int, part: str) -> bytes:
    """Return a .bit file whose payload is a mark and the 64-bit build id, words swapped as configuration data are."""
    payload = (SIMULATED_MAGIC.ljust(24, b"\0") + struct.pack("<Q", build_id)).ljust(CONFIGURATION_BYTES, b"\0")
    words = array("I", payload)
    words.byteswap()
    fields = ((b"a", b"system;Version=simulated"), (b"b", part.encode("ascii")), (b"c", b"-"), (b"d", b"-"))
    header = struct.pack(">H", 9) + bytes(9) + struct.pack(">H", 1)
    for tag, text in fields:
        header += tag + struct.pack(">H", len(text) + 1) + text + b"\0"
    return header + b"e" + struct.pack(">I", len(payload)) + words.tobytes()


def simulated_build_id(configuration: bytes) -> int | None:
    """Return the build id in configuration data made from `simulated_bitstream`, or None if they are something else."""
    if len(configuration) != CONFIGURATION_BYTES or not configuration.startswith(SIMULATED_MAGIC):
        return None
    return int(struct.unpack_from("<Q", configuration, 24)[0])


def simulated_handoff(clock_mhz: float) -> str:
    """Return a .hwh file with the processing system, the DMA and the accelerator."""
    root = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="simulated")
    Xml.SubElement(root, "SYSTEMINFO", ARCH="zynquplus", DEVICE="xczu3eg", NAME="system")
    Xml.SubElement(root, "EXTERNALPORTS")
    Xml.SubElement(root, "EXTERNALINTERFACES")
    modules = Xml.SubElement(root, "MODULES")
    dma_parameters = {
        "c_include_sg": "0", "c_include_mm2s": "1", "c_include_s2mm": "1", "c_micro_dma": "0",
        "c_include_mm2s_dre": "0", "c_include_s2mm_dre": "0", "c_sg_length_width": str(system.DMA_LENGTH_BITS),
        "c_m_axi_mm2s_data_width": str(system.STREAM_BITS), "c_m_axi_s2mm_data_width": str(system.STREAM_BITS),
    }  # fmt: skip
    dma_buses = [
        ("S_AXI_LITE", "SLAVE", _AXI), ("M_AXI_MM2S", "MASTER", _AXI), ("M_AXI_S2MM", "MASTER", _AXI),
        ("M_AXIS_MM2S", "MASTER", _STREAM), ("S_AXIS_S2MM", "SLAVE", _STREAM),
    ]  # fmt: skip
    dma = _module(modules, system.DMA_INSTANCE, "xilinx.com:ip:axi_dma:7.1", dma_parameters, dma_buses)
    _memory(dma, "M_AXI_MM2S", _PS_INSTANCE, "S_AXI_HP0_FPD", 0, 1 << 31, "MEMORY")
    _memory(dma, "M_AXI_S2MM", _PS_INSTANCE, "S_AXI_HP0_FPD", 0, 1 << 31, "MEMORY")
    accelerator_buses = [("s_axi", "SLAVE", _AXI), ("s_axis", "SLAVE", _STREAM), ("m_axis", "MASTER", _STREAM)]
    _module(modules, system.ACCELERATOR_INSTANCE, "fracdse:user:accelerator:1.0", {}, accelerator_buses)
    ps_buses = [("M_AXI_HPM0_FPD", "MASTER", _AXI), ("S_AXI_HP0_FPD", "SLAVE", _AXI)]
    ps = _module(modules, _PS_INSTANCE, "xilinx.com:ip:zynq_ultra_ps_e:3.4", _clock_parameters(clock_mhz), ps_buses)
    for instance, interface, base in (
        (system.DMA_INSTANCE, "S_AXI_LITE", system.DMA_BASE_ADDRESS),
        (system.ACCELERATOR_INSTANCE, "s_axi", system.ACCELERATOR_BASE_ADDRESS),
    ):
        _memory(ps, "M_AXI_HPM0_FPD", instance, interface, base, system.REGISTER_RANGE_BYTES, "REGISTER")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def _clock_parameters(clock_mhz: float) -> dict[str, str]:
    iopll_mhz = _REFERENCE_CLOCK_MHZ * _IOPLL_MULTIPLIER
    parameters: dict[str, str] = {}
    for clock in range(4):
        control = f"PSU__CRL_APB__PL{clock}_REF_CTRL__"
        parameters |= {
            f"{control}DIVISOR0": str(max(1, round(iopll_mhz / clock_mhz))),
            f"{control}DIVISOR1": "1",
            f"{control}SRCSEL": "IOPLL",
            f"{control}ACT_FREQMHZ": f"{clock_mhz:g}",
            f"PSU__FPGA_PL{clock}_ENABLE": "1" if clock == 0 else "0",
        }
    return parameters


def _module(
    parent: Xml.Element, name: str, vlnv: str, parameters: dict[str, str], buses: list[tuple[str, str, str]]
) -> Xml.Element:
    module = Xml.SubElement(
        parent, "MODULE", FULLNAME=f"/{name}", INSTANCE=name, MODTYPE=vlnv.split(":")[2], VLNV=vlnv
    )  # fmt: skip
    listed = Xml.SubElement(module, "PARAMETERS")
    for key, value in parameters.items():
        Xml.SubElement(listed, "PARAMETER", NAME=key, VALUE=value)
    Xml.SubElement(module, "PORTS")
    interfaces = Xml.SubElement(module, "BUSINTERFACES")
    for bus, kind, bus_vlnv in buses:
        Xml.SubElement(interfaces, "BUSINTERFACE", NAME=bus, TYPE=kind, VLNV=bus_vlnv, BUSNAME=f"{name}_{bus}")
    Xml.SubElement(module, "MEMORYMAP")
    return module


def _memory(
    module: Xml.Element, master: str, instance: str, interface: str, base: int, range_bytes: int, kind: str
) -> None:
    memory_map = module.find("MEMORYMAP")
    assert memory_map is not None
    Xml.SubElement(
        memory_map, "MEMRANGE", INSTANCE=instance, MASTERBUSINTERFACE=master, SLAVEBUSINTERFACE=interface,
        BASEVALUE=f"0x{base:08X}", HIGHVALUE=f"0x{base + range_bytes - 1:08X}", MEMTYPE=kind, ADDRESSBLOCK="reg0",
    )  # fmt: skip
