"""Which memories become LUT memory and which block RAM: one rule for every buffer, so that the count is known beforehand."""

from __future__ import annotations

from typing import Literal

from amaranth.hdl import ShapeLike
from amaranth.lib.memory import Memory

StorageStyle = Literal["distributed", "block"]

LARGEST_DISTRIBUTED_DEPTH = 64


def storage_style(depth: int) -> StorageStyle:
    """Return 'distributed' (LUT memory) up to 64 words, 'block' beyond."""
    return "distributed" if depth <= LARGEST_DISTRIBUTED_DEPTH else "block"


def storage(shape: ShapeLike, depth: int) -> Memory:
    """Return a buffer of `depth` words in the kind of memory that `storage_style` says."""
    return Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": storage_style(depth)})


def power_of_two_at_least(value: int) -> int:
    """Return the smallest power of two that is not below a positive value."""
    return 1 << (value - 1).bit_length()
