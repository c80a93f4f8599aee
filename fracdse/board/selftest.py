"""Proving on a board that the hardware is the network: load, compare every logit, measure."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.board.bundle import Bundle
from fracdse.board.clock import MeasuredClock
from fracdse.board.connection import SIMULATED_PREFIX, board_errors, board_name, check_board, connect, load
from fracdse.board.driver import BoardRun
from fracdse.board.simulated_session import write_overlay
from fracdse.errors import BoardError
from fracdse.program.executor import Executor
from fracdse.system import BOARD_NAMES


@dataclass(frozen=True)
class BoardReport:
    """What a board computed and how fast.

    Attributes:
        board: What it calls itself.
        simulated: It is one: then `seconds` is the simulation's and means nothing for hardware.
        build_id: The build that its fabric carries.
        clock_asked_mhz: The design's clock.
        clock_set_mhz: What the board's clock registers say.
        clock_measured_mhz: What the cycle counter gives, timed by this machine's clock.
        clock_uncertainty_mhz: How far that may be off.
        frames: Frames whose logits were all compared.
        cycles_per_frame: By the cycle counter, over the whole run.
        frames_per_s: From that and the clock that was set.
        first_latency_us: From a frame's first word to its last logit.
        open_gates: Open gates of each gated convolution.
        seconds: Time of the run on this machine's clock.
        batch: Frames of a DMA transfer.
        idle_accesses_per_frame: Register accesses for which the accelerator waits.
        poll_accesses_per_frame: Register accesses while it works.
        bytes_moved_per_frame: Bytes copied to and from the board's memory.
        accuracy: 0 to 1; None where no labels were given.
    """

    board: str
    simulated: bool
    build_id: int
    clock_asked_mhz: float
    clock_set_mhz: float
    clock_measured_mhz: float
    clock_uncertainty_mhz: float
    frames: int
    cycles_per_frame: float
    frames_per_s: float
    first_latency_us: float
    open_gates: tuple[int, ...]
    seconds: float
    batch: int
    idle_accesses_per_frame: float
    poll_accesses_per_frame: float
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
        BoardError: The board does not answer, is of another kind, runs another build, has another clock than it says,
            or gives another logit.
        ToolNotFound: pynq is not installed.
    """
    frames = bundle.golden_images if images is None else images
    expected = bundle.golden_logits if images is None else Executor(bundle.program).run(frames).logits
    design = bundle.program.design
    clock_mhz = design.accelerator.clock_mhz
    device = connect(address)
    name = board_name(device)
    check_board(name, BOARD_NAMES.get(design.device, ()))
    simulated = name.startswith(SIMULATED_PREFIX)
    with tempfile.TemporaryDirectory(prefix="fracdse-overlay-") as folder:
        bitfile = write_overlay(bundle, Path(folder), simulated=simulated)
        driver, clock_set_mhz = load(device, bitfile, clock_mhz, timeout_s)
        with board_errors(address):
            driver.check_build_id(bundle.build_id)
            measured = driver.measure_clock()
            _check_clock(measured, clock_set_mhz)
            run = driver.run(frames, batch)
            driver.check_build_id(bundle.build_id)
    _compare(run, expected)
    return BoardReport(
        board=name,
        simulated=simulated,
        build_id=bundle.build_id,
        clock_asked_mhz=clock_mhz,
        clock_set_mhz=clock_set_mhz,
        clock_measured_mhz=measured.mhz,
        clock_uncertainty_mhz=measured.uncertainty_mhz,
        frames=len(frames),
        cycles_per_frame=run.cycles_per_frame,
        frames_per_s=clock_set_mhz * 1e6 / run.cycles_per_frame,
        first_latency_us=run.first_latency_cycles / clock_set_mhz,
        open_gates=run.open_gates,
        seconds=run.seconds,
        batch=-(-len(frames) // run.batches),
        idle_accesses_per_frame=run.idle_accesses / len(frames),
        poll_accesses_per_frame=run.poll_accesses / len(frames),
        bytes_moved_per_frame=run.bytes_moved / len(frames),
        accuracy=None if labels is None else float((run.logits.argmax(axis=1) == labels).mean()),
    )


def _check_clock(measured: MeasuredClock, clock_set_mhz: float) -> None:
    if not measured.agrees_with(clock_set_mhz):
        raise BoardError(
            f"the board's clock registers say {clock_set_mhz:g} MHz, its cycle counter runs at {measured.mhz:.4g} ± "
            f"{measured.uncertainty_mhz:.2g} MHz",
            hint="No figure would hold. Does the board have another crystal, or the fabric another clock source?",
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
