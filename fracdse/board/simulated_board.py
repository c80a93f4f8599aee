"""A board without a board: memory, files, clocks and DMA around the accelerator's Verilator model."""

from __future__ import annotations

import threading
from typing import Protocol

from fracdse import system
from fracdse.board.handoff import simulated_build_id
from fracdse.board.simulated_clock import CRL_APB, REFERENCE_CLOCK_MHZ, SimulatedClock
from fracdse.board.simulated_dma import SimulatedDma, StreamModel
from fracdse.board.simulated_files import DISK_BYTES, SimulatedFiles
from fracdse.board.simulated_memory import SimulatedMemory
from fracdse.errors import BoardError
from fracdse.registers import CONTROL_RESET, CONTROL_START, Register

_CRF_APB = 0xFD1A_0000
_PORT_WIDTH_REGISTERS = tuple(0xFD61_5000 if i == 0 else 0xFD36_0000 + 0x1_0000 * (i - 1) for i in range(8))
_CLOCK_RANGE_BYTES = 0x1000
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
        reference_clock_mhz: The crystal from which its clocks are made.
        disk_bytes: How much its disk holds.
    """

    def __init__(
        self,
        model: RegisterModel,
        build_id: int,
        board_name: str,
        *,
        reference_clock_mhz: float = REFERENCE_CLOCK_MHZ,
        disk_bytes: int = DISK_BYTES,
    ) -> None:
        self.lock = threading.RLock()
        self.memory = SimulatedMemory()
        self.files = SimulatedFiles(board_name, self._configure, disk_bytes)
        self.clock = SimulatedClock(reference_clock_mhz)
        self._model = model
        self._build_id = build_id
        self._configured = False
        self._dma = SimulatedDma(self.memory, model)
        self._cycles = 0

    def mapped(self, base: int, length: int) -> bool:
        """Tell whether a client may map this range of addresses."""
        ranges = [
            (system.DMA_BASE_ADDRESS, system.REGISTER_RANGE_BYTES),
            (system.ACCELERATOR_BASE_ADDRESS, system.REGISTER_RANGE_BYTES),
            *((start, _CLOCK_RANGE_BYTES) for start in (CRL_APB, _CRF_APB, *_PORT_WIDTH_REGISTERS)),
        ]
        return length > 0 and any(start <= base and base + length <= start + size for start, size in ranges)

    def read(self, address: int) -> int:
        """Return the 32 bits at a mapped address."""
        with self.lock:
            block, offset = self._block(address)
            if block is None:
                return self.clock.registers.get(address, 0)
            if not self._configured:
                return _UNCONFIGURED
            return self._dma.read(offset) if block == system.DMA_INSTANCE else self._read_accelerator(offset)

    def write(self, address: int, value: int) -> None:
        """Write 32 bits to a mapped address."""
        with self.lock:
            block, offset = self._block(address)
            if block is None:
                self.clock.registers[address] = value
            elif self._configured and block == system.DMA_INSTANCE:
                self._dma.write(offset, value)
                if self._dma.sending:
                    self.clock.work()
            elif self._configured:
                self._write_accelerator(offset, value)

    def _read_accelerator(self, offset: int) -> int:
        if offset == Register.CYCLES_HIGH:
            return self._cycles >> 32
        value = self._model.read_register(offset)
        if offset == Register.CYCLES_LOW:
            simulated = value | self._model.read_register(Register.CYCLES_HIGH) << 32
            self._cycles = simulated + self.clock.waited_cycles
            return self._cycles & 0xFFFF_FFFF
        return value

    def _write_accelerator(self, offset: int, value: int) -> None:
        self._model.write_register(offset, value)
        if offset == Register.CONTROL and value & (CONTROL_START | CONTROL_RESET):
            self.clock.clear()
            if value & CONTROL_START and not self._dma.sending:
                self.clock.wait()

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
        if build_id is None:
            raise ValueError("not the configuration data of a simulated board")
        if build_id != self._build_id:
            raise BoardError(
                f"the bitstream is of build {build_id:016x}; this simulated board runs build {self._build_id:016x}"
            )
        with self.lock:
            self._model.reset()
            self._dma = SimulatedDma(self.memory, self._model)
            self.clock.clear()
            self._configured = True
