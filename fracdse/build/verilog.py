"""Verilog, which Vivado and Verilator read, from RTLIL, through Yosys' `write_verilog`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fracdse.build.yosys_script import run_script

_SCRIPT = """\
read_rtlil design.il
proc -nomux
memory_collect
opt_clean
write_verilog -norename -noattr design.v
"""
_LINT_WAIVERS = {
    "DECLFILENAME": "one file holds all modules",
    "PROCASSINIT": "registers start with their reset value, as an FPGA loads them",
    "CASEINCOMPLETE": "a default assignment before the case covers the rest",
    "WIDTHEXPAND": "Yosys leaves the extension of narrower operands to the language",
    "WIDTHTRUNC": "Yosys writes 'is zero' as the logical not of a word",
    "UNUSEDSIGNAL": "bits that a shift drops, and AXI signals that a simple slave ignores",
}
"""Verilator's warnings that Yosys' way of writing Verilog causes, and why each is harmless."""


def to_verilog(rtlil_text: str, *, timeout_s: int = 600) -> str:
    """Return RTLIL text as Verilog, with Verilator's harmless warnings waived at its head.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys failed or ran past `timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="fracdse-verilog-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(rtlil_text)
        run_script(_SCRIPT, folder, "the design's Verilog", timeout_s)
        return _lint_header() + (folder / "design.v").read_text()


def _lint_header() -> str:
    return "".join(f"/* verilator lint_off {rule} */ // {reason}\n" for rule, reason in _LINT_WAIVERS.items())
