"""Registers that count how often they are used: what a driver costs beside the hardware."""

from __future__ import annotations

from typing import Any


class CountedRegisters:
    """32-bit registers behind pynq's MMIO object; `accesses` counts reads and writes.

    Args:
        mmio: Anything with `read(offset)` and `write(offset, value)`.
    """

    def __init__(self, mmio: Any) -> None:
        self._mmio = mmio
        self.accesses = 0

    def read(self, offset: int) -> int:
        """Return the 32 bits at a byte offset."""
        self.accesses += 1
        return int(self._mmio.read(int(offset)))

    def read64(self, offset: int) -> int:
        """Return the 64 bits whose low word is at a byte offset and whose high word is behind it."""
        return self.read(offset) | self.read(offset + 4) << 32

    def write(self, offset: int, value: int) -> None:
        """Write 32 bits to a byte offset."""
        self.accesses += 1
        self._mmio.write(int(offset), int(value))
