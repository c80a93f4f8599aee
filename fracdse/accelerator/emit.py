"""Hardware description as RTLIL text, straight from Amaranth; Verilog is made from it by `fracdse.build.verilog`.

The top is `accelerator`; each unit is a module `accelerator.<unit>` below it, so that synthesis can go unit by unit.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil

from fracdse.accelerator.top import Accelerator
from fracdse.accelerator.units import make_units
from fracdse.folding import Folding
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE

TOP_NAME = TOP_MODULE


def to_rtlil(program: Program, folding: Folding, build_id: int) -> str:
    """Return the accelerator as RTLIL text, without source locations: equal inputs give equal text.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    accelerator = Accelerator(make_units(program, folding, build_id))
    with _collector_paused():
        return str(rtlil.convert(accelerator, name=TOP_NAME, emit_src=False))


def unit_rtlil(program: Program, folding: Folding, build_id: int) -> dict[str, str]:
    """Return every unit of the accelerator as RTLIL text of its own, under the name of its submodule.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    units = make_units(program, folding, build_id).named()
    with _collector_paused():
        return {name: str(rtlil.convert(unit, name=name, emit_src=False)) for name, unit in units.items()}


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
