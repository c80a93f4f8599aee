from hypothesis import given
from hypothesis import strategies as st

from fracdse.hardware.memory_luts import ram_luts, rom_luts
from fracdse.memories import (
    BRAM_SHAPES,
    bram18,
    bram_columns,
    bram_rows,
    stream_columns,
)

widths = st.integers(1, 1000)
depths = st.integers(1, 40_000)


@given(widths, depths)
def test_columns_hold_every_bit_and_each_is_one_block(width: int, depth: int) -> None:
    columns = bram_columns(width, depth)
    assert sum(columns) == width
    assert bram18(width, depth) == len(columns) * bram_rows(depth)
    if depth <= BRAM_SHAPES[-1][1]:
        assert all(any(column <= bits and depth <= words for bits, words in BRAM_SHAPES) for column in columns)


@given(widths, depths)
def test_more_bits_never_need_fewer_blocks(width: int, depth: int) -> None:
    assert bram18(width + 1, depth) >= bram18(width, depth)
    assert bram18(width, depth + 1) >= bram18(width, depth)


@given(widths, depths)
def test_luts_of_memories_grow_with_their_width(width: int, depth: int) -> None:
    assert ram_luts(width + 1, depth) >= ram_luts(width, depth) >= 1
    assert rom_luts(width + 1, depth) >= rom_luts(width, depth) >= 0


def test_shapes_of_one_block() -> None:
    assert [bram18(36, 512), bram18(37, 512), bram18(18, 1024), bram18(9, 1025), bram18(576, 32)] == [1, 2, 1, 1, 16]


def test_small_buffers_are_lut_memory_and_large_ones_blocks() -> None:
    assert stream_columns(16, 32) == ((16, "lutram"),)
    assert all(kind == "bram" for _, kind in stream_columns(128, 512))
