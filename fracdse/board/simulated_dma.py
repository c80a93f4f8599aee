"""AXI DMA in simple mode between memory and the accelerator's model, with the registers of its product guide (PG021).

The simulated clock runs while a client polls a status register: each poll lets the model run some cycles, so a transfer
that can never complete stays incomplete for ever, as it would on the board, and nothing here blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fracdse import system
from fracdse.board.simulated_memory import SimulatedMemory

CYCLES_PER_POLL = 20_000
CYCLES_PER_IDLE_POLL = 500
_CONTROL, _STATUS, _ADDRESS_LOW, _ADDRESS_HIGH, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_S2MM_OFFSET = 0x30
_CONTROL_RUN, _CONTROL_RESET = 1 << 0, 1 << 2
_STATUS_HALTED, _STATUS_IDLE, _STATUS_DECODE_ERROR, _STATUS_INTERNAL_ERROR = 1 << 0, 1 << 1, 1 << 6, 1 << 4


class StreamModel(Protocol):
    """What the DMA needs of the accelerator's model."""

    def send(self, data: bytes) -> None:
        """Queue bytes for the input stream."""

    def run(self, cycles: int, room_bytes: int) -> tuple[bytes, bool]:
        """Run at most `cycles`, taking at most `room_bytes` of output; return them and whether TLAST was among them."""

    @property
    def pending_bytes(self) -> int:
        """Bytes queued for the input stream that the accelerator has not taken yet."""


@dataclass
class _Channel:
    control: int = 0
    address: int = 0
    length: int = 0
    errors: int = 0
    busy: bool = False

    @property
    def status(self) -> int:
        running = bool(self.control & _CONTROL_RUN) and not self.errors
        return self.errors | (0 if running else _STATUS_HALTED) | (0 if self.busy or not running else _STATUS_IDLE)


class SimulatedDma:
    """Both channels of the DMA: memory to stream at offset 0, stream to memory at 0x30."""

    def __init__(self, memory: SimulatedMemory, model: StreamModel) -> None:
        self._memory = memory
        self._model = model
        self._send = _Channel()
        self._receive = _Channel()
        self._received = 0

    @property
    def sending(self) -> bool:
        """Whether frames are on their way to the accelerator."""
        return self._send.busy

    def read(self, offset: int) -> int:
        """Return a register's 32 bits; reading a status register lets simulated time pass."""
        channel = self._channel(offset)
        register = offset - _S2MM_OFFSET if channel is self._receive else offset
        if register == _STATUS:
            self._advance()
            return channel.status
        if register == _LENGTH:
            return self._received if channel is self._receive and not channel.busy else channel.length
        values = {
            _CONTROL: channel.control,
            _ADDRESS_LOW: channel.address & 0xFFFF_FFFF,
            _ADDRESS_HIGH: channel.address >> 32,
        }
        return values.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register's 32 bits; writing a length starts a transfer."""
        channel = self._channel(offset)
        register = offset - _S2MM_OFFSET if channel is self._receive else offset
        if register == _CONTROL and value & _CONTROL_RESET:
            self._send, self._receive, self._received = _Channel(), _Channel(), 0
        elif register == _CONTROL:
            channel.control = value
            channel.busy = channel.busy and bool(value & _CONTROL_RUN)
        elif register == _ADDRESS_LOW:
            channel.address = channel.address & ~0xFFFF_FFFF | value
        elif register == _ADDRESS_HIGH:
            channel.address = channel.address & 0xFFFF_FFFF | value << 32
        elif register == _LENGTH:
            self._start(channel, value & (1 << system.DMA_LENGTH_BITS) - 1)

    def _channel(self, offset: int) -> _Channel:
        return self._receive if offset >= _S2MM_OFFSET else self._send

    def _start(self, channel: _Channel, length: int) -> None:
        if not channel.control & _CONTROL_RUN or channel.errors or channel.busy:
            return
        channel.length = length
        content = self._memory.at(channel.address, length)
        if length == 0:
            channel.errors = _STATUS_INTERNAL_ERROR
        elif content is None:
            channel.errors = _STATUS_DECODE_ERROR
        else:
            channel.busy = True
            if channel is self._send:
                self._model.send(bytes(content))
            else:
                self._received = 0

    def _advance(self) -> None:
        if not (self._send.busy or self._receive.busy):
            return
        room = self._receive.length - self._received if self._receive.busy else 0
        # Without input a poll costs little time: clients also poll between starting one channel and the other.
        cycles = CYCLES_PER_POLL if self._model.pending_bytes else CYCLES_PER_IDLE_POLL
        data, last = self._model.run(cycles, room)
        if self._receive.busy and data:
            target = self._memory.at(self._receive.address + self._received, len(data))
            if target is None:
                self._receive.errors, self._receive.busy = _STATUS_DECODE_ERROR, False
                return
            target[:] = data
            self._received += len(data)
        if self._receive.busy and (last or self._received == self._receive.length):
            self._receive.busy = False
        if self._send.busy and self._model.pending_bytes == 0:
            self._send.busy = False
