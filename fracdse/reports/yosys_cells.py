"""What the cells of Yosys's synth_xilinx stand for: look-up tables, flip-flops, block RAM, DSP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LUT = re.compile(r"(?:LUT[1-6]|LUT6_2|INV)\Z")
_FF = re.compile(r"(?:FD[RSCP]E(?:_1)?|LD[CP]E(?:_1)?)\Z")
_SHIFT_REGISTER = re.compile(r"SRL(?:16E?|C16E?|C32E)\Z")
_BRAM36 = re.compile(r"(?:RAMB|FIFO)36E\d\Z")
_BRAM18 = re.compile(r"(?:RAMB|FIFO)18E\d\Z")
_URAM = re.compile(r"URAM288(?:E5)?(?:_BASE)?\Z")
_DSP = re.compile(r"DSP(?:48E\d|48A\d?|58)\Z")
_NEITHER = re.compile(
    r"(?:CARRY[48]|MUXF[789]|MUXCY|XORCY|GND|VCC|IBUFG?|IBUFDS|OBUFT?|OBUFDS|IOBUF|BUF|BUFGP?|BUFGCTRL|BUFGCE|BUFG_PS"
    r"|BUFH|BUFR|MMCME\d_(?:ADV|BASE)|PLLE\d_(?:ADV|BASE)|PS[78])\Z"
)

LUTS_OF_DISTRIBUTED_RAM: Mapping[str, int] = {
    "RAM16X1D": 2,
    "RAM16X1D_1": 2,
    "RAM16X1S": 1,
    "RAM32X1S": 1,
    "RAM32X1S_1": 1,
    "RAM32X1D": 2,
    "RAM32X1D_1": 2,
    "RAM32X2S": 2,
    "RAM64X1S": 1,
    "RAM64X1S_1": 1,
    "RAM64X1D": 2,
    "RAM64X1D_1": 2,
    "RAM128X1S": 2,
    "RAM128X1S_1": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM256X1D": 8,
    "RAM512X1S": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}
"""LUTs that each distributed RAM takes (AMD UG474 table 2-3 and UG574 table 2-3, in 6-input LUTs)."""


@dataclass(frozen=True)
class CellArea:
    """Hold the area that a set of cells takes, and the cells whose area is not known."""

    lut_logic: int
    lut_distributed_ram: int
    lut_shift_register: int
    ff: int
    ramb36: int
    ramb18: int
    uram: int
    dsp: int
    unknown: tuple[str, ...]


def area_of_cells(cells: Mapping[str, int]) -> CellArea:
    """Add up the area of mapped cells; an inverter takes a LUT, carry chains and wide multiplexers none.

    Args:
        cells: Number of cells by type.
    """

    def total(pattern: re.Pattern[str]) -> int:
        return sum(count for kind, count in cells.items() if pattern.match(kind))

    known = (_LUT, _FF, _SHIFT_REGISTER, _BRAM36, _BRAM18, _URAM, _DSP, _NEITHER)
    unknown = sorted(
        kind
        for kind in cells
        if kind not in LUTS_OF_DISTRIBUTED_RAM and not any(pattern.match(kind) for pattern in known)
    )
    return CellArea(
        lut_logic=total(_LUT),
        lut_distributed_ram=sum(LUTS_OF_DISTRIBUTED_RAM.get(kind, 0) * count for kind, count in cells.items()),
        lut_shift_register=total(_SHIFT_REGISTER),
        ff=total(_FF),
        ramb36=total(_BRAM36),
        ramb18=total(_BRAM18),
        uram=total(_URAM),
        dsp=total(_DSP),
        unknown=tuple(unknown),
    )
