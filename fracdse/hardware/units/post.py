"""Post: one multiply-add an element, residual add and saturation, three thresholds, two-bit packing."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms
from fracdse.memories import lutram_luts


def post_terms(channels: int, lanes: int, feature_bits: int, constant_bits: int, power_of_two: bool) -> UnitTerms:
    """Count the post unit of one layer; constants lie in LUT memories of channels / lanes words."""
    depth = channels // lanes
    words = 2 * (constant_bits + feature_bits + 8) + 4 * feature_bits
    return UnitTerms(
        "post",
        lut={
            "adder_bits": lanes * feature_bits * 5,
            "shifter_bits": lanes * (feature_bits + 8) * 4 if power_of_two else 0,
            "constant_luts": lanes * lutram_luts(words, depth) * 0.5 if depth > 1 else 0,
            "one": 1,
        },
        ff={"word_bits": lanes * feature_bits, "one": 1},
        dsp=0 if power_of_two else lanes,
    )
