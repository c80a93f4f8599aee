"""The global average pool: one sum a channel, held in a LUT memory of steps."""

from __future__ import annotations

from fracdse.hardware.memory_luts import ram_luts
from fracdse.hardware.terms import UnitTerms


def pool_terms(channels: int, lanes: int, pixels: int, feature_bits: int) -> UnitTerms:
    """Count the pool, in the order and lanes of the last convolution."""
    width = lanes * (feature_bits + (pixels - 1).bit_length())
    counters = (pixels - 1).bit_length() + (channels // lanes - 1).bit_length()
    return UnitTerms(
        "pool",
        lut={"sum_bits": width, "ram": ram_luts(width, max(2, channels // lanes)), "counters": counters, "one": 1},
        ff={"sum_bits": width, "counters": counters, "one": 1},
    )
