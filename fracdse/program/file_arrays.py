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

Shape = tuple[int, ...] | None
"""The shape that the design asks for; None where it asks for no array."""


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
    """Reads the arrays of one run of bytes, checking every description before anything is decoded.

    Arrays do not share bytes, so that a small file cannot describe more than it holds.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read_bytes = 0

    def signs(self, description: Any, shape: Shape) -> NDArray[np.int8]:
        """Return ±1 weights of that shape."""
        bits = self._bits(description, shape, "signs")
        return np.where(bits, np.int8(1), np.int8(-1))

    def bits(self, description: Any, shape: Shape) -> NDArray[np.bool_]:
        """Return booleans of that shape."""
        return self._bits(description, shape, "bits")

    def integers(self, description: Any, shape: Shape) -> NDArray[np.int64]:
        """Return integers of that shape and any stored width."""
        kind, start = _described(description, shape)
        if kind not in _INTEGERS:
            raise ProgramError(
                f"an array of kind {kind[:40]!r} stands where integers belong; allowed: {', '.join(_INTEGERS)}"
            )
        dtype = np.dtype(_INTEGERS[kind])
        content = self._slice(start, math.prod(shape or ()) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape or ()).astype(np.int64)

    def _bits(self, description: Any, shape: Shape, wanted: str) -> NDArray[np.bool_]:
        kind, start = _described(description, shape)
        if kind != wanted:
            raise ProgramError(f"an array of kind {kind[:40]!r} stands where {wanted!r} belong")
        count = math.prod(shape or ())
        content = np.frombuffer(self._slice(start, -(-count // 8)), np.uint8)
        return np.unpackbits(content, count=count, bitorder="little").reshape(shape or ()).astype(np.bool_)

    def _slice(self, start: int, length: int) -> bytes:
        if start + length > len(self._data):
            raise ProgramError(f"an array ends at byte {start + length} of {len(self._data)} bytes of data")
        self._read_bytes += length
        if self._read_bytes > len(self._data):
            raise ProgramError(f"arrays share bytes: together they have more than the {len(self._data)} of the data")
        return self._data[start : start + length]


def _narrowest(array: NDArray[Any]) -> str:
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind, code in _INTEGERS.items():
        limits = np.iinfo(code)
        if limits.min <= low and high <= limits.max:
            return kind
    raise AssertionError("int64 holds every int64")


def _described(description: Any, wanted: Shape) -> tuple[str, int]:
    """Return kind and place of an array, once its shape is the wanted one."""
    kind, shape, start = description["kind"], description["shape"], description["at"]
    if wanted is None:
        raise ProgramError("an array stands where the design has none")
    if not isinstance(shape, list) or any(type(number) is not int for number in shape) or tuple(shape) != wanted:
        raise ProgramError(f"an array has the shape {str(shape)[:80]}; the design asks for {list(wanted)}")
    if type(start) is not int or start < 0:
        raise ProgramError(f"an array begins at byte {str(start)[:40]}; allowed: 0 or more")
    return str(kind), start
