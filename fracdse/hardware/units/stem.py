"""The first layer: bytes to pixels, level counts, window, thermometer convolution as tables or popcount, scaling."""

from __future__ import annotations

from fracdse.design import InputLayer
from fracdse.hardware.compressor import compressor_count
from fracdse.hardware.memory_luts import rom_luts, stream_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18


def code_bits(levels: int) -> int:
    """Return the bits of a level count, all ones standing for a tap outside the image."""
    return (levels + 1).bit_length()


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
    """Count the stem; its multipliers are shifts, but popcount multiplies the taps inside the image by the levels."""
    steps, taps, bits = channels // lanes, 9 * colours, code_bits(levels)
    value = (2 * levels).bit_length()
    products = taps * levels // slices
    sums = (taps * levels).bit_length() + 1
    table = form == "table" and slices == 1
    tree = compressor_count([{0: products}], products.bit_length())
    pixel = bits * colours
    adders = sum(value + level for level in range(1, taps.bit_length() + 1) for _ in range(taps >> level))
    return UnitTerms(
        "stem",
        lut={
            "table": lanes * taps * rom_luts(value, steps << bits) if table else 0,
            "adder_bits": lanes * adders if table else 0,
            "levels": 0 if table else products,
            "products": 0 if table else lanes * products,
            "weights": 0 if table else lanes * rom_luts(products, steps * slices),
            "tree": 0 if table else lanes * (tree.luts + tree.adder_bits),
            "pixel_bits": pixel,
            "sliced_pixel_bits": 9 // slices * (pixel + 1) * (slices // 3),
            "slice_sums": lanes * sums if slices > 1 else 0,
            "lines": stream_luts(2 * pixel, width),
            "scaled_bits": lanes * (sums + feature_bits),
            "offsets": lanes * rom_luts(feature_bits, steps),
            "colours": colours,
            "one": 1,
        },
        ff={
            "table": lanes * taps * value if table else 0,
            "adder_bits": lanes * adders if table else 0,
            "levels": 0 if table else products,
            "tree": 0 if table else lanes * tree.registers,
            "pixel_bits": pixel,
            "slice_sums": lanes * sums if slices > 1 else 0,
            "scaled_bits": lanes * (sums + feature_bits),
            "colours": colours,
            "one": 1,
        },
        bram18=stream_bram18(2 * pixel, width),
        dsp=0 if table or slices > 1 or (colours * levels).bit_count() == 1 else 1,
    )
