"""The linear classifier: a multiply-accumulate a lane and cycle; two frames of features are held."""

from __future__ import annotations

from fracdse.folding import Memory
from fracdse.hardware.memory_luts import power_of_two_at_least, ram_luts, rom_luts
from fracdse.hardware.multipliers import product_dsps
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import bram18


def classifier_terms(
    features: int, classes: int, lanes: int, producer_lanes: int, pooled_bits: int, constant_bits: int, memory: Memory
) -> UnitTerms:
    """Count the classifier."""
    groups = classes // lanes
    words = groups * power_of_two_at_least(features)
    blocks = memory == "bram"
    held = ram_luts(producer_lanes * pooled_bits, 2 * power_of_two_at_least(max(1, features // producer_lanes)))
    return UnitTerms(
        "classifier",
        lut={
            "features": held,
            "weights": 0 if blocks else lanes * rom_luts(constant_bits, words),
            "biases": lanes * rom_luts(32, groups),
            "lane_bits": lanes * 32,
            "address": words.bit_length(),
            "one": 1,
        },
        ff={
            "lane_bits": lanes * 32,
            "product_bits": lanes * (constant_bits + pooled_bits),
            "address": words.bit_length(),
            "one": 1,
        },
        bram18=bram18(lanes * constant_bits, words) if blocks else 0,
        dsp=lanes * product_dsps(pooled_bits, constant_bits),
    )
