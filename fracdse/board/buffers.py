"""A pair of buffers in the board's memory: the frames of a batch, and the logits that come back."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import BoardError
from fracdse.system import DMA_LENGTH_BITS

# Two such buffers must fit the contiguous memory that a PYNQ image sets aside, beside what else needs it.
LARGEST_BUFFER_BYTES = min(16 << 20, (1 << DMA_LENGTH_BITS) - 1)
# XRT places smaller ones above 4 GiB, where a DMA with 32 address bits cannot reach.
SMALLEST_BUFFER_BYTES = 8192


def frames_per_batch(frames: int, wanted: int, frame_bytes: int) -> int:
    """Return how many frames go into a batch: at most `wanted`, within a buffer, and all batches about as large.

    Args:
        frames: How many there are.
        wanted: Frames of a batch, at most.
        frame_bytes: Bytes of a frame or of its logits, whichever are more.

    Raises:
        BoardError: `wanted` is below 1, or a single frame is too large.
    """
    most = min(wanted, LARGEST_BUFFER_BYTES // frame_bytes)
    if most < 1:
        raise BoardError(
            f"a batch of {wanted} frames of {frame_bytes:,} bytes is not possible; allowed: 1 or more frames, "
            f"{LARGEST_BUFFER_BYTES:,} bytes"
        )
    batches = -(-frames // most)
    return -(-frames // batches)


class FrameBuffers:
    """Buffers for batches of up to `frames` frames; a context manager that gives them back.

    Args:
        device: pynq's device.
        frames: Frames of the largest batch.
        frame_bytes: Bytes of a frame, a whole number of words.
        classes: Logits of a frame, four bytes each.

    Raises:
        BoardError: The board's memory is full.
    """

    def __init__(self, device: Any, frames: int, frame_bytes: int, classes: int) -> None:
        self.frame_bytes, self.logit_bytes = frame_bytes, 4 * classes
        self._sent = _allocate(device, frames * frame_bytes)
        try:
            self._received = _allocate(device, frames * self.logit_bytes)
            self.sent_address = int(self._sent.physical_address)
            self.received_address = int(self._received.physical_address)
        except BaseException:
            self._sent.freebuffer()
            raise
        self._sent[:] = 0

    def __enter__(self) -> FrameBuffers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for buffer in (self._sent, self._received):
            with contextlib.suppress(Exception):  # the board may be gone, and then so are its buffers
                buffer.freebuffer()

    @property
    def bytes_moved(self) -> int:
        """Bytes that a batch moves between this machine and the board's memory, both ways."""
        return int(self._sent.nbytes + self._received.nbytes)

    def fill(self, frames: NDArray[np.uint8]) -> None:
        """Copy frames (N, bytes) to the board; a frame's padding stays 0."""
        rows = self._sent[: len(frames) * self.frame_bytes].reshape(len(frames), self.frame_bytes)
        rows[:, : frames.shape[1]] = frames
        self._sent.flush()

    def logits(self, frames: int) -> NDArray[np.int32]:
        """Copy the logits (frames, classes) of a batch from the board."""
        self._received.invalidate()
        words = np.array(self._received[: frames * self.logit_bytes]).view("<i4")
        return words.reshape(frames, -1).astype(np.int32)


def _allocate(device: Any, size_bytes: int) -> Any:
    buffer = device.allocate((max(size_bytes, SMALLEST_BUFFER_BYTES),), np.dtype(np.uint8))
    # pynq's server says that there is no room by giving the buffer no name.
    if getattr(buffer, "buffer_id", None) == "":
        buffer.freed = True
        raise BoardError(
            f"the board has no contiguous memory left for {size_bytes:,} bytes",
            hint="Restart pynq's server or the board, or take a smaller batch.",
        )
    return buffer
