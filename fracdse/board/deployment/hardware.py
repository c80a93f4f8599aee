"""The hardware of a program, generated, with the id that ties all its parts together."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fracdse import __version__
from fracdse.accelerator.emit import to_rtlil
from fracdse.build.cache import digest_of
from fracdse.build.verilog import to_verilog
from fracdse.folding import Folding
from fracdse.program.file_format import program_bytes
from fracdse.program.model import Program
from fracdse.system import TOP_MODULE
from fracdse.topology import gated_convs


@dataclass(frozen=True)
class GeneratedHardware:
    """The accelerator of one program.

    Attributes:
        folding: How a dataflow accelerator shares its lanes; None where the architecture has no folding.
        build_id: 64 bits that stand for program, folding and generator; the hardware carries them in a register.
        top: Name of the top module.
        rtlil: For Yosys.
        verilog: For Verilator and Vivado.
        gate_outputs: Gates of each gated convolution for one frame.
    """

    folding: Folding | None
    build_id: int
    top: str
    rtlil: str
    verilog: str
    gate_outputs: tuple[int, ...]


def build_id_of(program: Program, folding: Folding | None) -> int:
    """Return the 64-bit id of an accelerator: of its program, its folding and the version that generates it."""
    digest = digest_of(
        program_bytes(program), json.dumps(folding.to_dict() if folding else None, sort_keys=True), __version__
    )
    return int(digest[:16], 16)


def generate(program: Program, folding: Folding | None) -> GeneratedHardware:
    """Generate the accelerator of a program."""
    build_id = build_id_of(program, folding)
    rtlil = to_rtlil(program, folding, build_id)
    gates = tuple(spec.out_channels * spec.out_height * spec.out_width for spec in gated_convs(program.design))
    return GeneratedHardware(folding, build_id, TOP_MODULE, rtlil, to_verilog(rtlil), gates)
