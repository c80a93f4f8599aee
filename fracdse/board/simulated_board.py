"""A board without a board: memory, files, clocks and DMA around the accelerator's Verilator model."""

from __future__ import annotations

import threading
from typing import Protocol

from fracdse import system
from fracdse.board.handoff import simulated_build_id
from fracdse.board.simulated_dma import SimulatedDma, StreamModel
from fracdse.board.simulated_files import SimulatedFiles
from fracdse.board.simulated_memory import SimulatedMemory
from fracdse.errors import BoardError

_CRL_APB, _CRF_APB = 0xFF5E_0000, 0xFD1A_0000
_PORT_WIDTH_REGISTERS = tuple(0xFD61_5000 if i == 0 else 0xFD36_0000 + 0x1_0000 * (i - 1) for i in range(8))
_CLOCK_RANGE_BYTES = 0x1000
_IOPLL_CONTROL, _PL0_CONTROL = 0x20, 0xC0
_IOPLL_RESET, _PL0_RESET = 45 << 8, 1 << 24 | 1 << 16 | 15 << 8
_REFERENCE_CLOCK_MHZ = 33.333
_UNCONFIGURED = 0


class RegisterModel(StreamModel, Protocol):
    """The accelerator's model: its streams and its registers."""

    def read_register(self, offset: int) -> int:
        """Return a register's 32 bits."""

    def write_register(self, offset: int, value: int) -> None:
        """Write a register's 32 bits."""

    def reset(self) -> None:
        """Hold reset for some cycles and forget all queued bytes."""


class SimulatedBoard:
    """The address space and the files of a board; every method may be called from any thread.

    Args:
        model: The accelerator behind the registers and the DMA.
        build_id: The build that the model is of; only its bitstream configures the fabric.
        board_name: What the board calls itself.
    """

    def __init__(self, model: RegisterModel, build_id: int, board_name: str) -> None:
        self.lock = threading.RLock()
        self.memory = SimulatedMemory()
        self.files = SimulatedFiles(board_name, self._configure)
        self._model = model
        self._build_id = build_id
        self._configured = False
        self._dma = SimulatedDma(self.memory, model)
        self._plain: dict[int, int] = {_CRL_APB + _IOPLL_CONTROL: _IOPLL_RESET, _CRL_APB + _PL0_CONTROL: _PL0_RESET}

    @property
    def clock_mhz(self) -> float:
        """The frequency of PL clock 0 that the clock registers ask for."""
        pll, control = self._plain[_CRL_APB + _IOPLL_CONTROL], self._plain[_CRL_APB + _PL0_CONTROL]
        iopll_mhz = _REFERENCE_CLOCK_MHZ * (pll >> 8 & 0x7F) / (2 if pll >> 16 & 1 else 1)
        return iopll_mhz / max(control >> 8 & 0x3F, 1) / max(control >> 16 & 0x3F, 1)

    def mapped(self, base: int, length: int) -> bool:
        """Tell whether a client may map this range of addresses."""
        ranges = [
            (system.DMA_BASE_ADDRESS, system.REGISTER_RANGE_BYTES),
            (system.ACCELERATOR_BASE_ADDRESS, system.REGISTER_RANGE_BYTES),
            *((start, _CLOCK_RANGE_BYTES) for start in (_CRL_APB, _CRF_APB, *_PORT_WIDTH_REGISTERS)),
        ]
        return length > 0 and any(start <= base and base + length <= start + size for start, size in ranges)

    def read(self, address: int) -> int:
        """Return the 32 bits at a mapped address."""
        with self.lock:
            block, offset = self._block(address)
            if block is None:
                return self._plain.get(address, 0)
            if not self._configured:
                return _UNCONFIGURED
            return self._dma.read(offset) if block == system.DMA_INSTANCE else self._model.read_register(offset)

    def write(self, address: int, value: int) -> None:
        """Write 32 bits to a mapped address."""
        with self.lock:
            block, offset = self._block(address)
            if block is None:
                self._plain[address] = value
            elif self._configured and block == system.DMA_INSTANCE:
                self._dma.write(offset, value)
            elif self._configured:
                self._model.write_register(offset, value)

    def _block(self, address: int) -> tuple[str | None, int]:
        for name, base in (
            (system.DMA_INSTANCE, system.DMA_BASE_ADDRESS),
            (system.ACCELERATOR_INSTANCE, system.ACCELERATOR_BASE_ADDRESS),
        ):
            if base <= address < base + system.REGISTER_RANGE_BYTES:
                return name, address - base
        return None, address

    def _configure(self, configuration: bytes) -> None:
        build_id = simulated_build_id(configuration)
        if build_id != self._build_id:
            found = "no simulated build" if build_id is None else f"build {build_id:016x}"
            raise BoardError(f"the bitstream is of {found}; this simulated board runs build {self._build_id:016x}")
        with self.lock:
            self._model.reset()
            self._dma = SimulatedDma(self.memory, self._model)
            self._configured = True
