from hypothesis import given
from hypothesis import strategies as st

from fracdse.hardware.memory_luts import rom_luts
from fracdse.memories import BRAM_SHAPES, LUTS_PER_BRAM18, bram18, bram_columns, bram_rows, lutram_luts, stream_columns
from fracdse.mixed_weights import logic_bits

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
    assert lutram_luts(width + 1, depth) >= lutram_luts(width, depth) >= 1
    assert rom_luts(width + 1, depth) >= rom_luts(width, depth) >= 0


def test_shapes_of_one_block() -> None:
    assert [bram18(36, 512), bram18(37, 512), bram18(18, 1024), bram18(9, 1025), bram18(576, 32)] == [1, 2, 1, 1, 16]


@given(st.integers(1, 64), st.sampled_from([0, 2, 4]), st.integers(1, 64))
def test_mixed_weights_empty_whole_columns_at_their_rate(channels: int, border_bits: int, steps: int) -> None:
    moved = logic_bits(channels, border_bits, steps)
    places = [bit.place for bit in moved]
    assert places == sorted(set(places))
    blocks = [bram18(bits, 512) if bits else 0 for bits in (9 * channels, 9 * channels - len(moved))]
    assert sum(bit.luts for bit in moved) <= LUTS_PER_BRAM18 * (blocks[0] - blocks[1])
    assert len(moved) == 9 * channels or (9 * channels - len(moved)) % 36 == 0 or not moved


def test_mixed_weights_of_the_reference_layer() -> None:
    """64 channels, 32 steps: the kernel's middle row, whose bits depend on one side, and 16 that depend on two."""
    moved = logic_bits(64, 4, 32)
    assert (len(moved), sum(bit.luts for bit in moved)) == (144, 160)


def test_a_last_column_that_leaves_its_block_empty_is_lut_memory() -> None:
    assert stream_columns(192, 128)[-1] == (12, "lutram")
    assert len(stream_columns(192, 128)) == 6


def test_small_buffers_are_lut_memory_and_large_ones_blocks() -> None:
    assert stream_columns(16, 32) == ((16, "lutram"),)
    assert all(kind == "bram" for _, kind in stream_columns(128, 512))
