"""The head: a global average pool and the linear classifier."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms, bits_for
from fracdse.memories import bram18, lutram_luts, stream_memory


def pool_terms(channels: int, lanes: int, pixels: int, feature_bits: int) -> UnitTerms:
    """Count the pool: an accumulator a channel, held in a memory of channels / lanes words."""
    width = lanes * (feature_bits + bits_for(pixels))
    return UnitTerms(
        "pool",
        lut={"adder_bits": width, "ram_luts": lutram_luts(width, max(1, channels // lanes)), "one": 1},
        ff={"width_bits": width, "one": 1},
    )


def classifier_terms(features: int, classes: int, lanes: int, feature_bits: int, constant_bits: int) -> UnitTerms:
    """Count the classifier: one multiplier a lane, weights in a memory of features · classes / lanes words."""
    depth = features * (classes // lanes)
    width = constant_bits
    blocks = stream_memory(width, depth) == "bram"
    return UnitTerms(
        "classifier",
        lut={"ram_luts": 0 if blocks else lanes * lutram_luts(width, depth), "lanes": lanes, "one": 1},
        ff={"sum_bits": lanes * (feature_bits + constant_bits + bits_for(features)), "one": 1},
        bram18=lanes * bram18(width, depth) if blocks else 0,
        dsp=lanes,
    )
