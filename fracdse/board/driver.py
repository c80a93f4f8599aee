"""The accelerator's driver, on pynq: on the board itself, or from a host through pynq's remote device.

It needs NumPy, pynq and a few small modules of fracdse, so a bundle can carry it. The host encodes nothing: a frame is
the image's bytes in row, column, colour order, and what comes back are the logits.

While the accelerator works on a batch, the next one is copied to the board's memory and the logits of the one before
are taken from it; between two batches it waits only for some register accesses, which `BoardRun` counts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.board.buffers import FrameBuffers, frames_per_batch
from fracdse.board.clock import MeasuredClock, measure_clock
from fracdse.board.counted_registers import CountedRegisters
from fracdse.board.dma import SimpleDma
from fracdse.errors import BoardError
from fracdse.registers import CONTROL_RESET, CONTROL_START, STATUS_DONE, Register, gate_counter_address
from fracdse.system import ACCELERATOR_INSTANCE, DMA_INSTANCE


@dataclass(frozen=True)
class BoardRun:
    """What a run of frames gave.

    Attributes:
        logits: (frames, classes) int32.
        cycles: Counted by the accelerator, from the start of each batch to its last logit.
        first_latency_cycles: From the first word of the first frame to its last logit.
        open_gates: Open gates of each gated convolution.
        seconds: Time of the whole run on this machine's clock.
        batches: DMA transfers each way.
        idle_accesses: Register accesses while the accelerator waits for the driver: start a batch, see its end, read
            the counters.
        poll_accesses: Register accesses while the accelerator works.
        bytes_moved: Bytes of frames and logits, padding included.
    """

    logits: NDArray[np.int32]
    cycles: int
    first_latency_cycles: int
    open_gates: tuple[int, ...]
    seconds: float
    batches: int
    idle_accesses: int
    poll_accesses: int
    bytes_moved: int

    @property
    def cycles_per_frame(self) -> float:
        """Cycles of the whole run over its frames, the first frame's latency included."""
        return self.cycles / len(self.logits)


@dataclass(frozen=True)
class _Counters:
    """What the accelerator counted over one batch."""

    cycles: int
    first_latency: int
    gates: tuple[int, ...]


class AcceleratorDriver:
    """Runs frames on a loaded overlay.

    Args:
        overlay: A pynq overlay with the instances that `fracdse.system` names.
        device: pynq's device, which has the board's memory.
        timeout_s: How long the accelerator may go without finishing a frame.

    Raises:
        BoardError: The overlay has no accelerator or no DMA, or the DMA does not work.
    """

    def __init__(self, overlay: Any, device: Any, timeout_s: float = 60.0) -> None:
        from pynq import MMIO

        def registers(instance: str) -> CountedRegisters:
            if instance not in overlay.ip_dict:
                raise BoardError(f"the overlay has no '{instance}', only {', '.join(sorted(overlay.ip_dict))}")
            place = overlay.ip_dict[instance]
            return CountedRegisters(MMIO(place["phys_addr"], place["addr_range"], device=device))

        self._registers = registers(ACCELERATOR_INSTANCE)
        self._dma_registers = registers(DMA_INSTANCE)
        self._dma = SimpleDma(self._dma_registers)
        self._device = device
        self._timeout_s = timeout_s

    @property
    def build_id(self) -> int:
        """The 64-bit build id that the hardware carries."""
        return self._registers.read64(Register.BUILD_ID_LOW)

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

    def measure_clock(self) -> MeasuredClock:
        """Measure the fabric's clock; the accelerator must be idle, and is reset afterwards."""
        return measure_clock(self._registers, self.reset)

    def run(self, images: NDArray[np.uint8], batch: int = 1000) -> BoardRun:
        """Compute the logits of images (N, H, W, colours), at most `batch` frames a DMA transfer.

        Raises:
            BoardError: The images do not fit the accelerator, the board has too little memory, or a transfer fails or
                comes to a standstill. The accelerator is reset then.
        """
        frame_bytes = 4 * self._registers.read(Register.FRAME_WORDS)
        classes = self._registers.read(Register.CLASSES)
        layers = self._registers.read(Register.GATED_LAYERS)
        image_bytes = int(np.prod(images.shape[1:]))
        if images.dtype != np.uint8 or not 0 <= frame_bytes - image_bytes < 4 or not len(images):
            raise BoardError(f"{len(images)} images of {image_bytes} bytes do not fit frames of {frame_bytes} bytes")
        count = frames_per_batch(len(images), batch, max(frame_bytes, 4 * classes))
        flat = images.reshape(len(images), image_bytes)
        batches = [flat[start : start + count] for start in range(0, len(images), count)]
        with contextlib.ExitStack() as stack:
            pairs = [stack.enter_context(FrameBuffers(self._device, count, frame_bytes, classes)) for _ in batches[:2]]
            try:
                return self._run_batches(batches, pairs, layers)
            except BaseException:
                with contextlib.suppress(Exception):
                    self.reset()
                raise

    def _run_batches(
        self, batches: Sequence[NDArray[np.uint8]], pairs: Sequence[FrameBuffers], layers: int
    ) -> BoardRun:
        accesses, began = self._accesses, time.perf_counter()
        logits: list[NDArray[np.int32]] = []
        counters: list[_Counters] = []
        polls = 0
        pairs[0].fill(batches[0])
        for number, frames in enumerate(batches):
            self._start(pairs[number % 2], len(frames))
            started = time.perf_counter()
            if number > 0:
                logits.append(pairs[(number - 1) % 2].logits(len(batches[number - 1])))
            if number + 1 < len(batches):
                pairs[(number + 1) % 2].fill(batches[number + 1])
            polls += self._wait(started)
            counters.append(self._counters(layers))
        logits.append(pairs[(len(batches) - 1) % 2].logits(len(batches[-1])))
        return BoardRun(
            np.concatenate(logits),
            sum(found.cycles for found in counters),
            counters[0].first_latency,
            tuple(map(sum, zip(*(found.gates for found in counters), strict=True))),
            time.perf_counter() - began,
            len(batches),
            self._accesses - accesses - polls,
            polls,
            len(batches) * pairs[0].bytes_moved,
        )

    def _start(self, buffers: FrameBuffers, frames: int) -> None:
        """Ready both streams, then start: the cycle counter then counts nothing of the time that takes."""
        self._registers.write(Register.FRAMES, frames)
        self._dma.receive(buffers.received_address, frames * buffers.logit_bytes)
        self._dma.send(buffers.sent_address, frames * buffers.frame_bytes)
        self._registers.write(Register.CONTROL, CONTROL_START)

    def _wait(self, started: float) -> int:
        """Poll until the batch is done; return how many register accesses there were before it was."""
        first = last = self._accesses
        finished = 0
        while True:
            sending, receiving = self._dma.states()
            for name, channel in (("send", sending), ("receive", receiving)):
                if channel.error:
                    raise self._failed(f"the DMA's {name} channel reports: {channel.error}")
            if sending.idle and receiving.idle and self._registers.read(Register.STATUS) & STATUS_DONE:
                return last - first
            if time.perf_counter() - started > self._timeout_s:
                # Only a standstill is an error: how long a batch takes is the frames' number and the board's affair.
                found = self._registers.read(Register.FRAMES_DONE)
                if found == finished:
                    raise self._failed(f"no frame finished within {self._timeout_s:g} s")
                finished, started = found, time.perf_counter()
            last = self._accesses

    def _counters(self, layers: int) -> _Counters:
        read64 = self._registers.read64
        return _Counters(
            read64(Register.CYCLES_LOW),
            self._registers.read(Register.FIRST_LATENCY),
            tuple(read64(gate_counter_address(layer)) for layer in range(layers)),
        )

    def _failed(self, what: str) -> BoardError:
        """Describe both streams; whoever raises this resets the accelerator afterwards."""
        sending, receiving = self._dma.states()
        done, asked = self._registers.read(Register.FRAMES_DONE), self._registers.read(Register.FRAMES)
        return BoardError(
            f"{what}: input stream {'idle' if sending.idle else 'not all taken'}, output stream "
            f"{'idle' if receiving.idle else 'not all there'}, {done} of {asked} frames done"
        )

    def reset(self) -> None:
        """Stop both DMA channels, reset the accelerator, and start the channels again."""
        self._registers.write(Register.CONTROL, CONTROL_RESET)
        self._dma.reset()

    @property
    def _accesses(self) -> int:
        return self._registers.accesses + self._dma_registers.accesses
