"""Hardware description as RTLIL text, straight from Amaranth; Verilog is made from it by `fracdse.build.verilog`.

The top is `accelerator`; each unit is a module `accelerator.<unit>` below it, so that synthesis can go unit by unit.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil

from fracdse.accelerator.compact.top import CompactAccelerator, CompactUnits, make_compact_units
from fracdse.accelerator.top import Accelerator
from fracdse.accelerator.units import Units, make_units
from fracdse.compact_plan import compact_plan
from fracdse.design import Design
from fracdse.errors import ConfigError
from fracdse.folding import Folding
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE

TOP_NAME = TOP_MODULE


def to_rtlil(program: Program, folding: Folding | None, build_id: int) -> str:
    """Return the accelerator of a program's architecture as RTLIL text, without source locations.

    Equal inputs give equal text. A dataflow accelerator needs a folding, a compact one has none.

    Raises:
        ConfigError: The folding does not fit the program, or the architecture does not compute the network.
    """
    units = _units(program, folding, build_id)
    accelerator = CompactAccelerator(units) if isinstance(units, CompactUnits) else Accelerator(units)
    with _collector_paused():
        return str(rtlil.convert(accelerator, name=TOP_NAME, emit_src=False))


def unit_rtlil(program: Program, folding: Folding | None, build_id: int) -> dict[str, str]:
    """Return every unit of the accelerator as RTLIL text of its own, under the name of its submodule.

    Raises:
        ConfigError: As `to_rtlil`.
    """
    units = _units(program, folding, build_id).named()
    with _collector_paused():
        return {name: str(rtlil.convert(unit, name=name, emit_src=False)) for name, unit in units.items()}


def check_generated(design: Design) -> None:
    """Raise ConfigError where no hardware is generated for a design, before anything is trained for it."""
    architecture = design.accelerator.architecture
    if architecture == "compact":
        compact_plan(design)
    elif architecture != "dataflow":
        raise ConfigError(
            f"no hardware is generated for accelerator.architecture = {architecture!r}, which is an estimate only",
            hint="Choose 'dataflow' or 'compact'.",
        )


def _units(program: Program, folding: Folding | None, build_id: int) -> Units | CompactUnits:
    check_generated(program.design)
    if program.design.accelerator.architecture == "compact":
        return make_compact_units(program, build_id)
    if folding is None:
        raise ConfigError("a dataflow accelerator needs a folding")
    return make_units(program, folding, build_id)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python from looking for garbage: with millions of objects, that takes as long as the conversion itself."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
