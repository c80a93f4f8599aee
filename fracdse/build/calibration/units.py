"""The RTLIL of units of an accelerator, each as its own top, for the units that the cost model counts."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.back import rtlil

from fracdse.accelerator.units import make_units
from fracdse.folding import Folding
from fracdse.hardware.registry import Unit
from fracdse.program.model import Program


def unit_rtlils(program: Program, folding: Folding, units: Iterable[Unit]) -> list[str]:
    """Return the RTLIL text of each of the units, which must be units of this program's accelerator."""
    components = make_units(program, folding, int(program.design.key, 16)).named()
    return [str(rtlil.convert(components[component_name(unit)], name=unit.kind, emit_src=False)) for unit in units]


def component_name(unit: Unit) -> str:
    """Return the name that the accelerator's top level gives to a unit of the cost model."""
    if unit.kind in ("stem", "pool", "classifier", "control"):
        return unit.kind
    kind = "conv" if unit.kind in ("gated_conv", "sliced_conv") else unit.kind
    return f"{kind}_{unit.layer.replace('.', '_')}"
