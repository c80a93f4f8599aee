"""AXI DMA in simple mode (PG021), driven through its registers.

pynq has a class for this core too, but that one waits without a limit, and it copies a buffer to the board when the
transfer starts, while the accelerator has nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fracdse.board.counted_registers import CountedRegisters
from fracdse.errors import BoardError

_SEND, _RECEIVE = 0x00, 0x30
_CONTROL, _STATUS, _ADDRESS, _LENGTH = 0x00, 0x04, 0x18, 0x28
_RUN, _RESET = 1 << 0, 1 << 2
_HALTED, _IDLE = 1 << 0, 1 << 1
_ERRORS = {1 << 4: "internal error", 1 << 5: "memory refused the access", 1 << 6: "no memory at the address"}
_PATIENCE_S = 2.0
_REACH_BYTES = 1 << 32


@dataclass(frozen=True)
class ChannelState:
    """What a channel's status register says; `error` is empty where there is none."""

    idle: bool
    error: str


class SimpleDma:
    """Both channels: `send` from memory to the accelerator, `receive` the other way.

    Args:
        registers: The core's registers.

    Raises:
        BoardError: The core does not come out of reset: it has no clock, or it is another core.
    """

    def __init__(self, registers: CountedRegisters) -> None:
        self._registers = registers
        self.reset()

    def reset(self) -> None:
        """Abandon all transfers and start both channels anew.

        Raises:
            BoardError: The core does not come out of reset.
        """
        self._registers.write(_SEND + _CONTROL, _RESET)  # either channel's reset bit resets the whole core
        self._until(lambda: not self._registers.read(_SEND + _CONTROL) & _RESET, "does not come out of reset")
        for channel in (_SEND, _RECEIVE):
            self._registers.write(channel + _CONTROL, _RUN)
        for channel in (_SEND, _RECEIVE):
            self._until(partial(self._runs, channel), "does not start")

    def send(self, address: int, size_bytes: int) -> None:
        """Start moving bytes from memory to the accelerator.

        Raises:
            BoardError: The core cannot reach the memory.
        """
        self._start(_SEND, address, size_bytes)

    def receive(self, address: int, size_bytes: int) -> None:
        """Start moving bytes from the accelerator to memory.

        Raises:
            BoardError: The core cannot reach the memory.
        """
        self._start(_RECEIVE, address, size_bytes)

    def states(self) -> tuple[ChannelState, ChannelState]:
        """Return the states of the sending and of the receiving channel."""
        return self._state(_SEND), self._state(_RECEIVE)

    def _start(self, channel: int, address: int, size_bytes: int) -> None:
        if address + size_bytes > _REACH_BYTES:
            raise BoardError(f"a buffer at 0x{address:X} lies beyond the 4 GiB that the DMA reaches")
        self._registers.write(channel + _ADDRESS, address)
        self._registers.write(channel + _LENGTH, size_bytes)

    def _state(self, channel: int) -> ChannelState:
        status = self._registers.read(channel + _STATUS)
        return ChannelState(bool(status & _IDLE), ", ".join(text for bit, text in _ERRORS.items() if status & bit))

    def _runs(self, channel: int) -> bool:
        return not self._registers.read(channel + _STATUS) & _HALTED

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not done():
            if time.monotonic() > deadline:
                raise BoardError(
                    f"the DMA {what}", hint="Its clock may be off, or the board runs another overlay: load it again."
                )
