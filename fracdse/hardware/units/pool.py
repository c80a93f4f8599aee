"""The global average pool: one sum a channel, held in a LUT memory of steps."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms
from fracdse.memories import lutram_luts
from fracdse.program.fixed_point import pooled_bits


def pool_terms(channels: int, lanes: int, pixels: int, feature_bits: int) -> UnitTerms:
    """Count the pool, in the order and lanes of the last convolution."""
    width = lanes * (feature_bits + (pixels - 1).bit_length())
    pooled = lanes * pooled_bits(feature_bits)
    summed = int(pixels > 1)
    counters = (pixels - 1).bit_length() + (channels // lanes - 1).bit_length()
    return UnitTerms(
        "pool",
        lut={
            "sum_bits": width * summed,
            "ram": lutram_luts(width, max(2, channels // lanes)) * summed,
            "pooled_bits": pooled,
            "counters": counters * summed,
            "one": 1,
        },
        ff={"pooled_bits": pooled, "counters": counters, "one": 1},
    )
