"""The window: k − 1 line buffers and a k×k register window over all input channels, two bits each."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms, bits_for


def window_terms(channels: int, bits: int, height: int, width: int, kernel: int) -> UnitTerms:
    """Count a window over `channels` of `bits` bits on a height×width map."""
    word = channels * bits
    lines = kernel - 1
    counter = bits_for(height + kernel) + bits_for(width + kernel)
    return UnitTerms(
        "window",
        lut={
            "line_luts": lines * word * -(-width // 32),
            "mask_bits": kernel * kernel * word,
            "counter_bits": counter,
            "one": 1,
        },
        ff={"window_bits": kernel * kernel * word, "counter_bits": counter, "one": 1},
    )
