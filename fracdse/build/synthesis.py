"""Synthesis of a whole accelerator: each distinct unit of its hierarchy once, multiplied by its instances.

Units do not see each other, so nothing is optimised across their boundaries, and a path ends at a unit's port. Both are
stated with the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fracdse.build.resources import UnitResources
from fracdse.build.rtlil import RtlilDesign, read_rtlil, unit_text
from fracdse.build.tools import find_yosys
from fracdse.build.yosys import SynthesisOptions, synthesise_modules

# A module whose flattened text is longer is split into its sub-modules and what is left of it.
_UNIT_CHARACTERS = 6_000_000


@dataclass(frozen=True)
class SynthesisResult:
    """Resources of an accelerator after synthesis.

    Attributes:
        units: One entry a distinct unit.
        instances: How often each unit occurs, in the same order.
        family: Device family, as Yosys names it.
        tool: The synthesiser and its version.
    """

    units: tuple[UnitResources, ...]
    instances: tuple[int, ...]
    family: str
    tool: str

    def _total(self, field: str) -> int:
        return sum(int(getattr(unit, field)) * n for unit, n in zip(self.units, self.instances, strict=True))

    @property
    def lut(self) -> int:
        """LUTs in all, those used as memory included."""
        return self._total("lut")

    @property
    def lut_memory(self) -> int:
        """LUTs used as memory."""
        return self._total("lut_memory")

    @property
    def ff(self) -> int:
        """Flip-flops in all."""
        return self._total("ff")

    @property
    def bram18(self) -> int:
        """Block RAM in all, in blocks of 18 Kib."""
        return self._total("bram18")

    @property
    def dsp(self) -> int:
        """DSP slices in all."""
        return self._total("dsp")

    @property
    def levels(self) -> int:
        """LUTs and carry chains on the longest path of any unit."""
        return max((unit.levels for unit in self.units), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, totals included."""
        totals = {name: getattr(self, name) for name in ("lut", "lut_memory", "ff", "bram18", "dsp", "levels")}
        return {**asdict(self), "totals": totals}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SynthesisResult:
        """Build a result from what `to_dict` returned, also after a trip through JSON."""
        units = tuple(UnitResources.from_dict(unit) for unit in values["units"])
        return cls(units, tuple(values["instances"]), values["family"], values["tool"])


def synthesise(rtlil: str, top: str = "", options: SynthesisOptions | None = None) -> SynthesisResult:
    """Synthesise an accelerator unit by unit.

    The top's sub-modules are the units; one that is too large for a job is split further. What remains of a split
    module is a unit as well, under the module's own name.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: The RTLIL has no such top, or Yosys fails on a unit.
    """
    options = options or SynthesisOptions()
    design = read_rtlil(rtlil, top)
    texts: list[str] = []
    names: list[str] = []
    counts: list[int] = []
    for name, count, boxes in _units(design, design.top, 1):
        texts.append(unit_text(design, name, name.removeprefix("\\"), boxes))
        names.append(name.removeprefix("\\"))
        counts.append(count)
    units = [replace(unit, name=name) for unit, name in zip(synthesise_modules(texts, options), names, strict=True)]
    return SynthesisResult(tuple(units), tuple(counts), options.family, find_yosys().version)


def _units(design: RtlilDesign, name: str, count: int) -> list[tuple[str, int, frozenset[str]]]:
    """Return (module, instances, modules left out of it) of every unit at and below a module, the module split."""
    children = design.modules[name].children
    found = [(name, count, frozenset(children))]
    for child, times in children.items():
        if design.modules[child].black_box:
            continue
        if design.size(child) > _UNIT_CHARACTERS and design.modules[child].children:
            found += _units(design, child, count * times)
        else:
            found.append((child, count * times, frozenset()))
    return found
