"""The activation: residual words to two-bit codes, two comparators a lane, and a whole pixel a beat."""

from __future__ import annotations

from fracdse.hardware.memory_luts import table_steps
from fracdse.hardware.terms import UnitTerms

_APART, _MERGED = 4, 16


def activation_terms(
    channels: int, lanes: int, feature_bits: int, power_of_two: bool, batch_norm: bool, whole_pixels: bool = True
) -> UnitTerms:
    """Count the quantiser of a layer's input, in the order and lanes of the layer that made it.

    Where codes leave as they come, nothing is held.
    """
    steps = channels // lanes
    # Thresholds of power-of-two scales are powers of two times one number: most of their bits are 0.
    form = "shifted" if power_of_two else "multiplied"
    held = 2 * channels * (2 if steps == 1 else 1) if whole_pixels else 0
    return UnitTerms(
        "activation",
        lut={
            f"{form}_compare_bits": lanes * feature_bits,
            **table_steps(f"{form}_thresholds", lanes * feature_bits, steps),
            # A table of 10 to 32 thresholds is mapped together with its comparator, which is dearer than apart.
            f"{form}_merged_thresholds": lanes * feature_bits * (_APART < steps <= _MERGED),
            # Without batch norms residuals are not centred, and the middle threshold is no longer the word's sign.
            "middle_thresholds": lanes * feature_bits * (not batch_norm and steps > _APART),
            "middle_merged_thresholds": lanes * feature_bits * (not batch_norm and steps > 2 * _APART),
            "held": held if steps == 1 else 0,
            "whole": int(whole_pixels),
            "one": 1,
        },
        ff={
            "held": held,
            "kept": 2 * lanes * (steps - 1) if whole_pixels else 0,
            "word_bits": lanes * feature_bits,
            "lanes": lanes,
            "index_bits": (steps - 1).bit_length(),
            "whole_index_bits": whole_pixels * (steps - 1).bit_length(),
            "one": 1,
        },
    )
