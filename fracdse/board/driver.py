"""The accelerator's driver, on pynq: on the board itself, or from a host through pynq's remote device.

It needs NumPy, pynq and four small modules of fracdse, so a bundle can carry it. The host encodes nothing: a frame is
the image's bytes in row, column, colour order, and what comes back are the logits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import BoardError
from fracdse.registers import CONTROL_RESET, CONTROL_START, STATUS_DONE, Register, gate_counter_address
from fracdse.system import ACCELERATOR_INSTANCE, DMA_INSTANCE

CLOCK_TOLERANCE = 0.01
_DMA_CONTROL_SEND, _DMA_CONTROL_RECEIVE, _DMA_RESET = 0x00, 0x30, 0x4


@dataclass(frozen=True)
class BoardRun:
    """What one run of frames gave.

    `logits` is (frames, classes) int32; `cycles` is counted by the accelerator from start to the last logit;
    `register_accesses` and `bytes_moved` are the driver's own accounting of what it costs beside the hardware.
    """

    logits: NDArray[np.int32]
    cycles: int
    first_latency_cycles: int
    open_gates: tuple[int, ...]
    seconds: float
    register_accesses: int
    bytes_moved: int

    @property
    def cycles_per_frame(self) -> float:
        """Cycles of the whole run over its frames, the first frame's latency included."""
        return self.cycles / len(self.logits)


class AcceleratorDriver:
    """Runs frames on a loaded overlay.

    Args:
        overlay: A pynq overlay with the instances that `fracdse.system` names.
        allocate: Makes a buffer in the board's memory: `allocate(shape, dtype)`.
        timeout_s: How long one run may take.

    Raises:
        BoardError: The overlay has no accelerator or no DMA.
    """

    def __init__(self, overlay: Any, allocate: Callable[..., Any], timeout_s: float = 60.0) -> None:
        for instance in (ACCELERATOR_INSTANCE, DMA_INSTANCE):
            if instance not in overlay.ip_dict:
                raise BoardError(f"the overlay has no '{instance}', only {', '.join(sorted(overlay.ip_dict))}")
        self._registers = getattr(overlay, ACCELERATOR_INSTANCE).mmio
        self._dma = getattr(overlay, DMA_INSTANCE)
        self._allocate = allocate
        self._timeout_s = timeout_s
        self._accesses = 0

    @property
    def build_id(self) -> int:
        """The 64-bit build id that the hardware carries."""
        return self._read64(Register.BUILD_ID_LOW)

    def check_build_id(self, expected: int) -> None:
        """Refuse a fabric that is of another build.

        Raises:
            BoardError: The ids differ, as they do when the overlay is stale or of another bundle.
        """
        found = self.build_id
        if found != expected:
            raise BoardError(
                f"the board runs build {found:016x}, the bundle is build {expected:016x}",
                hint="The overlay is stale or of another bundle: load this bundle's bitstream.",
            )

    def run(self, images: NDArray[np.uint8], batch: int = 1000) -> BoardRun:
        """Compute the logits of images (N, H, W, colours), `batch` frames a DMA transfer.

        Raises:
            BoardError: The images do not fit the accelerator, or a transfer fails or takes longer than the timeout.
        """
        frame_bytes = 4 * self._read(Register.FRAME_WORDS)
        classes = self._read(Register.CLASSES)
        image_bytes = int(np.prod(images.shape[1:]))
        if images.dtype != np.uint8 or not 0 <= frame_bytes - image_bytes < 4 or not len(images):
            raise BoardError(f"{len(images)} images of {image_bytes} bytes do not fit frames of {frame_bytes} bytes")
        runs = [
            self._run_batch(images[start : start + batch].reshape(-1, image_bytes), frame_bytes, classes)
            for start in range(0, len(images), batch)
        ]
        return runs[0] if len(runs) == 1 else _joined(runs)

    def _run_batch(self, frames: NDArray[np.uint8], frame_bytes: int, classes: int) -> BoardRun:
        accesses = self._accesses
        sent = self._allocate((len(frames), frame_bytes), np.dtype(np.uint8))
        received = self._allocate((len(frames), classes), np.dtype(np.int32))
        try:
            sent[:, frames.shape[1] :] = 0
            sent[:, : frames.shape[1]] = frames
            started = time.perf_counter()
            self._write(Register.FRAMES, len(frames))
            self._write(Register.CONTROL, CONTROL_START)
            self._dma.recvchannel.transfer(received)
            self._dma.sendchannel.transfer(sent)
            self._wait(started)
            received.invalidate()
            seconds = time.perf_counter() - started
            gates = range(self._read(Register.GATED_LAYERS))
            return BoardRun(
                np.array(received, dtype=np.int32),
                self._read64(Register.CYCLES_LOW),
                self._read(Register.FIRST_LATENCY),
                tuple(self._read64(gate_counter_address(layer)) for layer in gates),
                seconds,
                self._accesses - accesses,
                sent.nbytes + received.nbytes,
            )
        finally:
            for buffer in (sent, received):
                buffer.freebuffer()

    def _wait(self, started: float) -> None:
        """Poll until both channels are idle and the accelerator is done; pynq's own wait has no limit."""
        channels = (("send", self._dma.sendchannel), ("receive", self._dma.recvchannel))
        while True:
            for name, channel in channels:
                self._accesses += 1
                if channel.error:
                    raise self._failed(f"the DMA's {name} channel reports an error")
            self._accesses += 2
            if all(channel.idle for _, channel in channels) and self._read(Register.STATUS) & STATUS_DONE:
                return
            if time.perf_counter() - started > self._timeout_s:
                raise self._failed(f"no end after {self._timeout_s:g} s")

    def _failed(self, what: str) -> BoardError:
        """Describe both streams, then stop the DMA and the accelerator."""
        send = "idle" if self._dma.sendchannel.idle else "not all taken"
        receive = "idle" if self._dma.recvchannel.idle else "not all there"
        done, asked = self._read(Register.FRAMES_DONE), self._read(Register.FRAMES)
        self.reset()
        return BoardError(f"{what}: input stream {send}, output stream {receive}, {done} of {asked} frames done")

    def reset(self) -> None:
        """Stop both DMA channels and reset the accelerator."""
        dma_registers = self._dma.mmio
        for control in (_DMA_CONTROL_SEND, _DMA_CONTROL_RECEIVE):
            dma_registers.write(control, _DMA_RESET)
        self._write(Register.CONTROL, CONTROL_RESET)
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()

    def _read(self, address: int) -> int:
        self._accesses += 1
        return int(self._registers.read(int(address)))

    def _read64(self, address: int) -> int:
        return self._read(address) | self._read(address + 4) << 32

    def _write(self, address: int, value: int) -> None:
        self._accesses += 1
        self._registers.write(int(address), int(value))


def _joined(runs: Sequence[BoardRun]) -> BoardRun:
    return BoardRun(
        np.concatenate([run.logits for run in runs]),
        sum(run.cycles for run in runs),
        runs[0].first_latency_cycles,
        tuple(sum(layer) for layer in zip(*(run.open_gates for run in runs), strict=True)),
        sum(run.seconds for run in runs),
        sum(run.register_accesses for run in runs),
        sum(run.bytes_moved for run in runs),
    )
