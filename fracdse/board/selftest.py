"""A bundle's own test on a board: its golden images, or others, against its integer program."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.board.bundle import Bundle
from fracdse.board.connection import SIMULATED_PREFIX, board_name, connect
from fracdse.board.proof import BoardReport, Proof, prove
from fracdse.board.simulated_session import write_overlay
from fracdse.program.executor import Executor
from fracdse.system import BOARD_NAMES


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
        timeout_s: How long the accelerator may go without finishing a frame.
        batch: Frames of a DMA transfer, at most.

    Raises:
        BoardError: The board does not answer, is of another kind, runs another build, has another clock than it says,
            or gives another logit.
        ToolNotFound: pynq is not installed.
    """
    frames = bundle.golden_images if images is None else images
    logits = bundle.golden_logits if images is None else Executor(bundle.program).run(frames).logits
    design = bundle.program.design
    boards = BOARD_NAMES.get(design.device, ())
    proof = Proof(bundle.build_id, boards, design.accelerator.clock_mhz, frames, logits, labels)
    device = connect(address)
    with tempfile.TemporaryDirectory(prefix="fracdse-overlay-") as folder:
        simulated = board_name(device).startswith(SIMULATED_PREFIX)
        bitfile = write_overlay(bundle, Path(folder), simulated=simulated)
        return prove(proof, device, bitfile, timeout_s, batch)
