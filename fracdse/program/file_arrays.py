"""Arrays of a program file: packed signs and little-endian integers, in one run of bytes.

`signs`: one bit an element, 1 for +1 and 0 for −1, in C order, the first element in bit 0 of the first byte, the last
byte filled up with zero bits. `bits`: the same for booleans. `int8`, `int16`, `int32`, `int64`: two's complement,
little-endian, in C order, the narrowest that holds every value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import ProgramError

_INTEGERS = {"int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
_LARGEST_RANK = 4


class ArrayWriter:
    """Collects arrays; each is described by what `add` returns."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Append an array of ±1 int8 (signs), bool or int64 and return its description."""
        if array.dtype == np.int8:
            return self._append("signs", array.shape, np.packbits(array > 0, bitorder="little").tobytes())
        if array.dtype == np.bool_:
            return self._append("bits", array.shape, np.packbits(array, bitorder="little").tobytes())
        kind = _narrowest(array)
        return self._append(kind, array.shape, array.astype(_INTEGERS[kind]).tobytes())

    def data(self) -> bytes:
        """Return all bytes added so far."""
        return b"".join(self._parts)

    def _append(self, kind: str, shape: tuple[int, ...], content: bytes) -> dict[str, Any]:
        description = {"kind": kind, "shape": list(shape), "at": self._length}
        self._parts.append(content)
        self._length += len(content)
        return description


class ArrayReader:
    """Reads the arrays of one run of bytes, checking every description."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def signs(self, description: Any) -> NDArray[np.int8]:
        """Return ±1 weights."""
        bits = self._bits(description, "signs")
        return np.where(bits, 1, -1).astype(np.int8)

    def bits(self, description: Any) -> NDArray[np.bool_]:
        """Return booleans."""
        return self._bits(description, "bits")

    def integers(self, description: Any) -> NDArray[np.int64]:
        """Return integers of any stored width."""
        kind, shape, start = _described(description)
        if kind not in _INTEGERS:
            raise ProgramError(
                f"an array of kind {kind!r} stands where integers belong; allowed: {', '.join(_INTEGERS)}"
            )
        dtype = np.dtype(_INTEGERS[kind])
        content = self._slice(start, math.prod(shape) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape).astype(np.int64)

    def _bits(self, description: Any, wanted: str) -> NDArray[np.bool_]:
        kind, shape, start = _described(description)
        if kind != wanted:
            raise ProgramError(f"an array of kind {kind!r} stands where {wanted!r} belong")
        count = math.prod(shape)
        content = np.frombuffer(self._slice(start, -(-count // 8)), np.uint8)
        return np.unpackbits(content, count=count, bitorder="little").reshape(shape).astype(np.bool_)

    def _slice(self, start: int, length: int) -> bytes:
        if start + length > len(self._data):
            raise ProgramError(f"an array ends at byte {start + length} of {len(self._data)} bytes of data")
        return self._data[start : start + length]


def _narrowest(array: NDArray[Any]) -> str:
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind, code in _INTEGERS.items():
        limits = np.iinfo(code)
        if limits.min <= low and high <= limits.max:
            return kind
    raise AssertionError("int64 holds every int64")


def _described(description: Any) -> tuple[str, tuple[int, ...], int]:
    kind, shape, start = description["kind"], description["shape"], description["at"]
    numbers = [*shape, start]
    if len(shape) > _LARGEST_RANK or any(type(number) is not int or not 0 <= number < 1 << 32 for number in numbers):
        raise ProgramError(f"an array of shape {shape!r} at byte {start!r} is out of range")
    return str(kind), tuple(shape), start
