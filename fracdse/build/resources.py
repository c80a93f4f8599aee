"""What a synthesised unit occupies, counted from the cells of its netlist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# LUT sites that a cell takes (UG974, UltraScale libraries guide); a RAM of 64 bits by one is one LUT6.
_LUT_LOGIC = {f"LUT{inputs}": 1 for inputs in range(1, 7)} | {"LUT6_2": 1, "INV": 1}
_LUT_MEMORY = {
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
    "RAM16X1S": 1, "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM16X1D": 2, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM64X8SW": 8,
}  # fmt: skip
_FF = {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1, "LDCE": 1, "LDPE": 1}
_BRAM18 = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2}
_DSP = {"DSP48E1": 1, "DSP48E2": 1}
_URAM = {"URAM288": 1}


@dataclass(frozen=True)
class UnitResources:
    """One unit after synthesis.

    Attributes:
        name: The unit's module, as the generator called it.
        lut: LUTs in all, each LUT1 to LUT6 counted singly, with those used as memory.
        lut_memory: LUTs used as RAM or shift registers.
        ff: Flip-flops.
        bram18: Block RAM, in blocks of 18 Kib.
        dsp: DSP slices.
        uram: UltraRAM blocks.
        carry: Carry chains' pieces (CARRY4 or CARRY8).
        levels: LUTs and carry chains on the longest path between registers or ports.
        cells: How many cells of each kind the netlist has.
    """

    name: str
    lut: int
    lut_memory: int
    ff: int
    bram18: int
    dsp: int
    uram: int
    carry: int
    levels: int
    cells: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> UnitResources:
        """Build an entry from what `to_dict` returned.

        Raises:
            KeyError, TypeError: The values are not such an entry.
        """
        return cls(**values)


def resources_of_cells(name: str, cells: Mapping[str, int], levels: int) -> UnitResources:
    """Count the resources of a unit from its mapped cells, by type."""

    def total(weights: Mapping[str, int]) -> int:
        return sum(weights.get(kind, 0) * count for kind, count in cells.items())

    memory = total(_LUT_MEMORY)
    return UnitResources(
        name=name,
        lut=total(_LUT_LOGIC) + memory,
        lut_memory=memory,
        ff=total(_FF),
        bram18=total(_BRAM18),
        dsp=total(_DSP),
        uram=total(_URAM),
        carry=cells.get("CARRY4", 0) + cells.get("CARRY8", 0),
        levels=levels,
        cells=dict(cells),
    )
