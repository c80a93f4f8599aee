"""A simulated board for one bundle: its accelerator's model, served on loopback, with the files that a client loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fracdse.board.bundle import Bundle
from fracdse.board.connection import SIMULATED_PREFIX
from fracdse.board.handoff import simulated_bitstream, simulated_handoff
from fracdse.board.model_process import ModelProcess
from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_services import LOOPBACK, serve
from fracdse.build.verilator import CompileOptions
from fracdse.errors import BoardError
from fracdse.hardware.devices import load_device
from fracdse.system import BOARD_NAMES, TOP_MODULE

OVERLAY_NAME = "fracdse"


@dataclass(frozen=True)
class SimulatedSession:
    """Where the simulated board listens."""

    address: str
    port: int


def write_overlay(bundle: Bundle, folder: Path, *, simulated: bool) -> Path:
    """Write a bundle's bitstream and handoff, or a simulated pair, and return the .bit file's path.

    Raises:
        BoardError: A real pair is asked for and the bundle has none.
    """
    bitfile = folder / f"{OVERLAY_NAME}.bit"
    clock_mhz = bundle.program.design.accelerator.clock_mhz
    if simulated:
        part = load_device(bundle.program.design.device).part
        bitfile.write_bytes(simulated_bitstream(bundle.build_id, part))
        bitfile.with_suffix(".hwh").write_text(simulated_handoff(clock_mhz), encoding="utf-8")
        return bitfile
    if bundle.bitstream is None or bundle.handoff is None:
        raise BoardError(
            "the bundle has no bitstream and handoff: it was not built with Vivado",
            hint="Build it with `fracdse deploy TRIAL --target vivado`, or use `--board sim`.",
        )
    bitfile.write_bytes(bundle.bitstream)
    bitfile.with_suffix(".hwh").write_bytes(bundle.handoff)
    return bitfile


@contextmanager
def simulated_session(
    bundle: Bundle, port: int = 0, options: CompileOptions | None = None
) -> Iterator[SimulatedSession]:
    """Serve a bundle's accelerator as a board on loopback while the context lasts.

    Raises:
        BoardError: The bundle has no Verilog, or the port is taken.
        ToolNotFound: Verilator, a compiler or pynq is missing.
    """
    if bundle.verilog is None:
        raise BoardError("the bundle has no accelerator.v to simulate")
    board_name = SIMULATED_PREFIX + BOARD_NAMES.get(bundle.program.design.device, (bundle.program.design.device,))[0]
    with ModelProcess(bundle.verilog, TOP_MODULE, options) as model:
        board = SimulatedBoard(model, bundle.build_id, board_name)
        server, bound = serve(board, port)
        try:
            yield SimulatedSession(f"{LOOPBACK}:{bound}", bound)
        finally:
            server.stop(grace=1).wait()
