"""Proving on a connected board that the hardware is the network: load, compare every logit, measure.

Needs NumPy and pynq only, so a bundle can carry it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.board.clock import check_clock
from fracdse.board.connection import SIMULATED_PREFIX, board_errors, board_name, check_board, load
from fracdse.board.driver import BoardRun
from fracdse.errors import BoardError


@dataclass(frozen=True)
class Proof:
    """What is to be proved.

    Attributes:
        build_id: The build that the fabric must carry.
        boards: Names of the boards that the build is for; none where any will do.
        clock_mhz: The design's clock.
        frames: (N, H, W, colours).
        logits: (N, classes), what the integer program gives for them.
        labels: Classes of the frames, where the accuracy is wanted.
    """

    build_id: int
    boards: Sequence[str]
    clock_mhz: float
    frames: NDArray[np.uint8]
    logits: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None


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


def prove(proof: Proof, device: Any, bitfile: Path, timeout_s: float = 60.0, batch: int = 1000) -> BoardReport:
    """Load an overlay on a connected board, run the frames and compare every logit.

    Args:
        proof: What is to be proved.
        device: What `connect` returned.
        bitfile: A .bit file with its .hwh beside it.
        timeout_s: How long the accelerator may go without finishing a frame.
        batch: Frames of a DMA transfer, at most.

    Raises:
        BoardError: The board is of another kind, does not answer, runs another build, has another clock than it says,
            or gives another logit.
    """
    name = board_name(device)
    check_board(name, proof.boards)
    driver, clock_set_mhz = load(device, bitfile, proof.clock_mhz, timeout_s)
    with board_errors(name):
        driver.check_build_id(proof.build_id)
        measured = driver.measure_clock()
        check_clock(measured, clock_set_mhz)
        run = driver.run(proof.frames, batch)
        driver.check_build_id(proof.build_id)
    _compare(run, proof.logits)
    frames, labels = len(proof.frames), proof.labels
    return BoardReport(
        board=name,
        simulated=name.startswith(SIMULATED_PREFIX),
        build_id=proof.build_id,
        clock_asked_mhz=proof.clock_mhz,
        clock_set_mhz=clock_set_mhz,
        clock_measured_mhz=measured.mhz,
        clock_uncertainty_mhz=measured.uncertainty_mhz,
        frames=frames,
        cycles_per_frame=run.cycles_per_frame,
        frames_per_s=clock_set_mhz * 1e6 / run.cycles_per_frame,
        first_latency_us=run.first_latency_cycles / clock_set_mhz,
        open_gates=run.open_gates,
        seconds=run.seconds,
        batch=-(-frames // run.batches),
        idle_accesses_per_frame=run.idle_accesses / frames,
        poll_accesses_per_frame=run.poll_accesses / frames,
        bytes_moved_per_frame=run.bytes_moved / frames,
        accuracy=None if labels is None else float((run.logits.argmax(axis=1) == labels).mean()),
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


def board_text(report: BoardReport) -> str:
    """Return a report as lines for people."""
    lines = [
        f"{report.board}: build {report.build_id:016x}, {report.frames:,} frames, every logit as the program's.",
        f"clock        {report.clock_asked_mhz:g} MHz asked, {report.clock_set_mhz:g} MHz set, "
        f"{report.clock_measured_mhz:.4g} ± {report.clock_uncertainty_mhz:.2g} MHz measured",
        f"cycles       {report.cycles_per_frame:,.1f} a frame, the first frame's latency included",
        f"rate         {report.frames_per_s:,.0f} frames/s by the cycle counter and the clock that was set",
        f"latency      {report.first_latency_us:.2f} µs, first frame",
        f"driver       {report.bytes_moved_per_frame:,.0f} bytes and, while the accelerator waits, "
        f"{report.idle_accesses_per_frame:.3g} register accesses a frame, in batches of {report.batch:,}",
    ]
    if report.accuracy is not None:
        lines.append(f"accuracy     {report.accuracy:.2%}")
    if report.simulated:
        lines.append("The board is simulated: cycles with data in them are the RTL's, its clock is reckoned.")
    return "\n".join(lines)
