"""Which memory a width × depth lands in, and what it takes: the one rule that the generator and the cost model share.

The generator splits a block memory into the columns of `bram_columns`, one memory a column, so that each becomes
exactly one RAMB18 in any tool; BRAM figures are then counted, not fitted. Shapes: UltraScale Architecture Memory
Resources (AMD UG573), table 'RAMB18E2 port aspect ratios', simple dual port; the 7-series block (UG473) has the same
ones. LUTRAM: UltraScale CLB (UG574): eight LUTs are a RAM32M16 (14 bits × 32 with one read port) or a RAM64M8 (7 bits
× 64).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

StreamMemory = Literal["lutram", "bram"]

BRAM_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
"""(width, depth) of one RAMB18 with one write port and one read port."""

_BITS_OF_32_WORDS, _BITS_OF_64_WORDS = 14, 7

LUTS_PER_BRAM18 = 64
"""Exchange rate between LUTs and block memory: the XCZU3EG has 70,560 LUTs and 432 RAMB18, 163 a block."""


def bram_columns(width: int, depth: int) -> tuple[int, ...]:
    """Return the widths in bits of the columns that a block memory is split into; each column and row is one RAMB18.

    Args:
        width: Bits a word, ≥ 1.
        depth: Words, ≥ 1.
    """
    column = next((bits for bits, words in BRAM_SHAPES if depth <= words), 1)
    full, rest = divmod(width, column)
    return (column,) * full + ((rest,) if rest else ())


def bram_rows(depth: int) -> int:
    """Return how many RAMB18 lie one above the other in a column of `depth` words: 1 up to 16,384 words."""
    return -(-depth // BRAM_SHAPES[-1][1])


def bram18(width: int, depth: int) -> int:
    """Return the RAMB18 blocks of a simple dual-port block memory of `depth` words of `width` bits."""
    return len(bram_columns(width, depth)) * bram_rows(depth)


def lutram_parts(depth: int) -> tuple[int, int]:
    """Return (parts, bits of eight LUTs) of a distributed memory: parts of 32 words where they are fewer bits to store.

    So does Yosys: equal to its LUTs of memory on all stored shortcuts, queues of codes and sliced windows.
    """
    of_32, of_64 = -(-depth // 32), -(-depth // 64)
    return (of_32, _BITS_OF_32_WORDS) if of_32 < 2 * of_64 else (of_64, _BITS_OF_64_WORDS)


def lutram_luts(width: int, depth: int) -> int:
    """Return the LUTs of a distributed memory with one write and one read port, without its output multiplexer."""
    parts, bits = lutram_parts(depth)
    return 8 * -(-width // bits) * parts


@lru_cache(maxsize=100_000)
def stream_columns(width: int, depth: int) -> tuple[tuple[int, StreamMemory], ...]:
    """Choose the memories of a FIFO or line buffer: (bits, kind) of each part of its word.

    All of it is LUTRAM while that takes at most `LUTS_PER_BRAM18` LUTs a block saved; otherwise it is block memory, but
    for a last column that leaves its block so empty that the same rate favours LUTRAM.
    """
    if lutram_luts(width, depth) <= LUTS_PER_BRAM18 * bram18(width, depth):
        return ((width, "lutram"),)
    *whole, last = bram_columns(width, depth)
    cheap = lutram_luts(last, depth) <= LUTS_PER_BRAM18 * bram_rows(depth)
    return (*((bits, "bram") for bits in whole), (last, "lutram" if cheap else "bram"))


def stream_bram18(width: int, depth: int) -> int:
    """Return the RAMB18 blocks of a FIFO or line buffer."""
    return sum(bram_rows(depth) for _, kind in stream_columns(width, depth) if kind == "bram")


def stream_lutram_bits(width: int, depth: int) -> int:
    """Return how many bits of a FIFO's or line buffer's word lie in LUTRAM."""
    return sum(bits for bits, kind in stream_columns(width, depth) if kind == "lutram")
