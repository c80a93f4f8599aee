"""What a synthesised unit occupies, counted from the cells of its netlist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fracdse.reports.yosys_cells import area_of_cells


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
        unit = cls(**values)
        counts = [value for name, value in values.items() if name not in ("name", "cells")]
        if not isinstance(unit.name, str) or not isinstance(unit.cells, dict):
            raise TypeError("a unit's name is no text, or its cells are no table")
        for count in (*counts, *unit.cells.values()):
            if type(count) is not int or count < 0:
                raise TypeError(f"{count!r} stands where a number of cells or levels belongs")
        return unit


def resources_of_cells(name: str, cells: Mapping[str, int], levels: int) -> UnitResources:
    """Count the resources of a unit from its mapped cells, by type."""
    area = area_of_cells(cells)
    memory = area.lut_distributed_ram + area.lut_shift_register
    return UnitResources(
        name=name,
        lut=area.lut_logic + memory,
        lut_memory=memory,
        ff=area.ff,
        bram18=area.ramb18 + 2 * area.ramb36,
        dsp=area.dsp,
        uram=area.uram,
        carry=cells.get("CARRY4", 0) + cells.get("CARRY8", 0),
        levels=levels,
        cells=dict(cells),
    )
