"""Proving on a board that the hardware is the network: load, compare every logit, measure."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.board.bundle import Bundle
from fracdse.board.connection import board_errors, connect, load
from fracdse.board.driver import BoardRun
from fracdse.board.simulated_session import SIMULATED_PREFIX, write_overlay
from fracdse.errors import BoardError
from fracdse.program.executor import Executor


@dataclass(frozen=True)
class BoardReport:
    """What a board computed and how fast.

    `simulated` says that the board is one: then `seconds` is the simulation's and means nothing for hardware.
    `cycles_per_frame` is the counter's over the whole run, `frames_per_s` follows from it and the clock that was set.
    """

    board: str
    simulated: bool
    build_id: int
    clock_asked_mhz: float
    clock_set_mhz: float
    frames: int
    cycles_per_frame: float
    frames_per_s: float
    first_latency_us: float
    open_gates: tuple[int, ...]
    seconds: float
    register_accesses_per_frame: float
    bytes_moved_per_frame: float
    accuracy: float | None


def run_selftest(
    bundle: Bundle,
    address: str,
    images: NDArray[np.uint8] | None = None,
    labels: NDArray[np.int64] | None = None,
    timeout_s: float = 60.0,
    batch: int = 1000,
) -> BoardReport:
    """Load a bundle on a board and compare every logit with the integer program's.

    Args:
        bundle: The bundle.
        address: 'local', HOST or HOST:PORT.
        images: Frames (N, H, W, colours) to run; the bundle's golden images where None.
        labels: Their classes, where the accuracy is wanted.
        timeout_s: How long one run may take.
        batch: Frames a DMA transfer.

    Raises:
        BoardError: The board does not answer, runs another build, or gives another logit.
        ToolNotFound: pynq is not installed.
    """
    frames = bundle.golden_images if images is None else images
    expected = bundle.golden_logits if images is None else Executor(bundle.program).run(frames).logits
    device = connect(address)
    simulated = str(device.name).startswith(SIMULATED_PREFIX)
    clock_mhz = bundle.program.design.accelerator.clock_mhz
    with tempfile.TemporaryDirectory(prefix="fracdse-overlay-") as folder:
        bitfile = write_overlay(bundle, Path(folder), simulated=simulated)
        driver, clock_set_mhz = load(device, bitfile, clock_mhz, timeout_s)
        with board_errors(address):
            driver.check_build_id(bundle.build_id)
            run = driver.run(frames, batch)
    _compare(run, expected)
    accuracy = None if labels is None else float((run.logits.argmax(axis=1) == labels).mean())
    return BoardReport(
        board=str(device.name),
        simulated=simulated,
        build_id=bundle.build_id,
        clock_asked_mhz=clock_mhz,
        clock_set_mhz=clock_set_mhz,
        frames=len(frames),
        cycles_per_frame=run.cycles_per_frame,
        frames_per_s=clock_set_mhz * 1e6 / run.cycles_per_frame,
        first_latency_us=run.first_latency_cycles / clock_set_mhz,
        open_gates=run.open_gates,
        seconds=run.seconds,
        register_accesses_per_frame=run.register_accesses / len(frames),
        bytes_moved_per_frame=run.bytes_moved / len(frames),
        accuracy=accuracy,
    )


def _compare(run: BoardRun, expected: NDArray[np.int64]) -> None:
    wrong = np.flatnonzero((run.logits != expected).any(axis=1))
    if len(wrong):
        first = int(wrong[0])
        raise BoardError(
            f"the board's logits differ for {len(wrong)} of {len(expected)} frames, first for frame {first}: "
            f"{run.logits[first].tolist()} instead of {expected[first].tolist()}",
            hint="The hardware does not compute this network: do not use it.",
        )
