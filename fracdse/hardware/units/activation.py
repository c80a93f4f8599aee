"""The activation: residual words to two-bit codes, two comparators a lane, and a whole pixel a beat."""

from __future__ import annotations

from fracdse.hardware.memory_luts import table_steps, uneven_bits
from fracdse.hardware.terms import UnitTerms


def activation_terms(
    channels: int, lanes: int, feature_bits: int, power_of_two: bool, whole_pixels: bool = True
) -> UnitTerms:
    """Count the quantiser of a layer's input, in the order and lanes of the layer that made it.

    Where codes leave as they come, nothing is held.
    """
    steps = channels // lanes
    held = 2 * channels * (2 if steps == 1 else 1) if whole_pixels else 0
    return UnitTerms(
        "activation",
        lut={
            "compare_bits": lanes * feature_bits,
            **table_steps("thresholds", lanes * feature_bits, steps),
            "held": held if steps == 1 else 0,
            "uneven_bits": uneven_bits(steps),
            "lanes": lanes,
            "one": 1,
        },
        ff={
            "held": held,
            "kept": 2 * lanes * (steps - 1) if whole_pixels else 0,
            "word_bits": lanes * feature_bits,
            "lanes": lanes,
            "one": 1,
        },
    )
