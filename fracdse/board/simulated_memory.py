"""Physically contiguous buffers of a simulated board, bounded in number and bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

LARGEST_TOTAL_BYTES = 256 << 20
MOST_BUFFERS = 64
_FIRST_ADDRESS = 0x1000_0000
_ALIGNMENT = 4096


@dataclass
class SimulatedMemory:
    """Buffers by id and by physical address."""

    _buffers: dict[str, tuple[int, bytearray]] = field(default_factory=dict)
    _next_id: int = 1

    def allocate(self, size_bytes: int) -> str:
        """Return the id of a new buffer of zeros.

        Raises:
            MemoryError: It would exceed the number of buffers or bytes that the board has.
        """
        used = sum(len(content) for _, content in self._buffers.values())
        if not 0 < size_bytes <= LARGEST_TOTAL_BYTES - used or len(self._buffers) >= MOST_BUFFERS:
            raise MemoryError(f"no room for {size_bytes} bytes: {used} of {LARGEST_TOTAL_BYTES} are taken")
        name = str(self._next_id)
        self._next_id += 1
        self._buffers[name] = (self._free_address(size_bytes), bytearray(size_bytes))
        return name

    def content(self, name: str) -> bytearray:
        """Return a buffer's bytes, to read or change in place."""
        return self._buffers[name][1]

    def address(self, name: str) -> int:
        """Return a buffer's physical address."""
        return self._buffers[name][0]

    def free(self, name: str) -> None:
        """Give a buffer back."""
        del self._buffers[name]

    def at(self, address: int, size_bytes: int) -> memoryview | None:
        """Return `size_bytes` of memory at a physical address, or None where that is not inside one buffer."""
        for start, content in self._buffers.values():
            offset = address - start
            if offset >= 0 and offset + size_bytes <= len(content):
                return memoryview(content)[offset : offset + size_bytes]
        return None

    def _free_address(self, size_bytes: int) -> int:
        address = _FIRST_ADDRESS
        for start, content in sorted(self._buffers.values(), key=lambda entry: entry[0]):
            if address + size_bytes <= start:
                break
            address = start + -(-len(content) // _ALIGNMENT) * _ALIGNMENT
        return address
