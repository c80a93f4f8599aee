"""The first layer: bytes to pixels, level counts, window, thermometer convolution as tables or popcount, scaling."""

from __future__ import annotations

from fracdse.design import InputLayer
from fracdse.hardware.compressor import TreeCount, compressor_count
from fracdse.hardware.memory_luts import power_of_two_at_least, rom_luts, stream_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18
from fracdse.topology import has_full_flag

_FLAGS_A_TABLE = 6
_LUT_ENTRIES = 64


def table_bits(levels: int) -> int:
    """Return the bits of a tap's sum over its levels, whose signs mostly agree; even ones are stored halved."""
    return (levels * 2 // (2 - levels % 2)).bit_length() - has_full_flag(levels)


def _full_table_bits(taps: int, steps: int) -> list[int]:
    """Return how many tables of the flags 'full' have each bit of a sum; as many taps as a LUT allows share one."""
    group = max(1, _FLAGS_A_TABLE - (steps - 1).bit_length())
    return [-(-taps // group)] * (group.bit_length() + 1)


def _table_tree(taps: int, levels: int, steps: int) -> TreeCount:
    """Count the tree over the tables of a lane; those of the flags 'full' take several taps each."""
    columns = dict.fromkeys(range(table_bits(levels)), taps)
    if has_full_flag(levels):
        for bit, tables in enumerate(_full_table_bits(taps, steps)):
            columns[bit] = columns.get(bit, 0) + tables
    return compressor_count([columns], (taps * levels).bit_length() + 1, register_inputs=False)


def stem_terms(
    colours: int,
    levels: int,
    channels: int,
    lanes: int,
    width: int,
    feature_bits: int,
    form: InputLayer,
    slices: int = 1,
) -> UnitTerms:
    """Count the stem; its multipliers are shifts."""
    steps, taps, bits = channels // lanes, 9 * colours, levels.bit_length()
    full = has_full_flag(levels)
    entries = steps << (bits - full)
    products = taps * levels // slices
    sums = (taps * levels).bit_length() + 1
    words = steps if slices == 1 else power_of_two_at_least(steps) * power_of_two_at_least(slices)
    table = form == "table" and slices == 1
    tree = _table_tree(taps, levels, steps) if table else compressor_count([{0: products}], products.bit_length())
    pixel = bits * colours + 1
    return UnitTerms(
        "stem",
        lut={
            "table": lanes * taps * table_bits(levels) * max(1.0, entries / _LUT_ENTRIES) if table else 0,
            "taps": lanes * taps if table else 0,
            "full_tables": lanes * sum(_full_table_bits(taps, steps)) if table and full else 0,
            "table_tree": lanes * (tree.luts + tree.adder_bits) if table else 0,
            "levels": 0 if table else products,
            "products": 0 if table else lanes * products,
            "weights": 0 if table else lanes * rom_luts(products, words),
            "tree": 0 if table else lanes * (tree.luts + tree.adder_bits),
            "pixel_bits": pixel,
            "slice_sums": lanes * sums if slices > 1 else 0,
            "lines": stream_luts(2 * pixel, width),
            "scaled_bits": lanes * (sums + feature_bits),
            "offsets": lanes * rom_luts(feature_bits, steps),
            "one": 1,
        },
        ff={
            "table_tree": lanes * tree.registers if table else 0,
            "levels": 0 if table else products,
            "tree": 0 if table else lanes * tree.registers,
            "pixel_bits": pixel,
            "slice_sums": lanes * sums if slices > 1 else 0,
            "scaled_bits": lanes * (sums + feature_bits),
            "one": 1,
        },
        bram18=stream_bram18(2 * pixel, width),
    )
