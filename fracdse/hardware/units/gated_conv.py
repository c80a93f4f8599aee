"""The gated convolution: lanes of XNOR and compressor tree over the full fan-in, gate and schedule."""

from __future__ import annotations

from fracdse.folding import Memory
from fracdse.hardware.terms import UnitTerms, bits_for
from fracdse.memories import bram18


def tree_luts(inputs: int) -> float:
    """Return the LUTs of a compressor tree over `inputs` products, the first 3:2 level fused with XNOR and weight
    choice.

    A LUT6 takes three activations and up to three select bits, so three products cost two LUTs; then every bit that a
    6:3 compressor removes costs one.
    """
    return 2 * -(-inputs // 3) + max(0, 2 * inputs / 3 - bits_for(inputs))


def gated_conv_terms(channels: int, fan_in: int, lanes: int, memory: Memory) -> UnitTerms:
    """Count the lanes of one layer with `channels` outputs and their weights."""
    depth = channels // lanes
    sums = bits_for(fan_in) + 2
    select = bits_for(depth - 1) if depth > 1 else 0
    logic = lanes * fan_in * max(0.0, depth / 16) * 0.6 if memory == "logic" and depth > 8 else 0.0
    stored = lanes * fan_in * -(-depth // 64) if memory == "lutram" else 0.0
    blocks = lanes * bram18(fan_in, depth) if memory == "bram" else 0
    return UnitTerms(
        "gated_conv",
        lut={
            "tree_luts": lanes * tree_luts(fan_in),
            "rom_luts": logic,
            "ram_luts": stored,
            "sum_bits": lanes * sums,
            "channels": channels,
            "select_bits": lanes * select,
            "one": 1,
        },
        ff={"products": lanes * fan_in, "sum_bits": lanes * sums, "channels": channels, "one": 1},
        bram18=blocks,
    )
