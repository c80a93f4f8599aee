"""Fixed-point helpers: words, shifts, and real constants as integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
RealArray = NDArray[np.float64]
LARGEST_SHIFT = 40
# A stored shift and a stored constant: what sums of words and constants leave of 64 bits.
LARGEST_STORED_SHIFT = 48
LARGEST_CONSTANT = 1 << 48
SATURATED_BITS = 8
# Bits of a convolution's sum after an Elastic-Link: the short operand of a DSP slice. |y| itself is below 2^14.
LINKED_BITS = 18
# Bits of what a shortcut's code is multiplied by where that is no shift: the long operand of a DSP slice.
CODE_FACTOR_BITS = 27
LOGIT_BITS = 32
# A pooled word is an average and keeps this many bits at most: what its rounding loses is far below a logit's margin,
# and what it saves goes to the classifier's weights, since a logit must fit 32 bits whatever the image.
POOLED_WORD_BITS = 14


def word_limits(bits: int) -> tuple[int, int]:
    """Return the smallest and the largest value of a signed word of `bits` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def saturate(x: NDArray[Any], bits: int) -> NDArray[Any]:
    """Clamp x to a signed word of `bits` bits."""
    low, high = word_limits(bits)
    return np.clip(x, low, high)


def saturate_word(x: NDArray[Any], bits: int) -> NDArray[Any]:
    """Bring x into a residual word of `bits` bits: its leading byte saturates, the bits below stay as they are.

    The same as `saturate` where x fits. Elsewhere the result is within 1/128 of the limit, for a third of the logic.
    """
    low, high = word_limits(bits)
    if x.min(initial=0) >= low and x.max(initial=0) <= high:
        return x
    passed = max(0, bits - SATURATED_BITS)
    return (saturate(x >> passed, bits - passed) << passed) + (x & ((1 << passed) - 1))


def rounding_half(shift: int) -> int:
    """Return what is added before an arithmetic shift so that it rounds half up."""
    return (1 << shift) >> 1


def nearest_int(x: RealArray) -> IntArray:
    """Round to the nearest integer, half to even."""
    return np.rint(x).astype(np.int64)


def shift_for(values: RealArray, bits: int) -> int:
    """Return the largest shift (0 to 40) for which every value·2^shift, rounded, fits a signed word of `bits` bits."""
    largest = float(np.max(np.abs(values), initial=0.0))
    _, top = word_limits(bits)
    shift = LARGEST_SHIFT
    while shift > 0 and np.rint(largest * 2.0**shift) > top:
        shift -= 1
    return shift


def largest_offset_shift(offsets: RealArray) -> int:
    """Return the largest shift for which every offset·2^shift, with the half that rounds, fits a stored constant."""
    largest = float(np.max(np.abs(offsets), initial=0.0))
    shift = LARGEST_STORED_SHIFT
    while shift > 0 and largest * 2.0**shift + rounding_half(shift) + 1 > LARGEST_CONSTANT:
        shift -= 1
    return shift


def quantised(values: RealArray, shift: int, bits: int) -> IntArray:
    """Return values·2^shift as integers in words of `bits` bits."""
    return saturate(nearest_int(values * 2.0**shift), bits)


def pooling_shift(feature_bits: int, pixels: int) -> int:
    """Return the shift of a pool over a map of so many pixels: words wider than a pooled one lose their last bits."""
    return math.ceil(math.log2(pixels)) + max(0, feature_bits - POOLED_WORD_BITS)


def pooled_bits(feature_bits: int) -> int:
    """Return the bits of a pooled feature: a word's, at most `POOLED_WORD_BITS`, and one for its rounding."""
    return min(POOLED_WORD_BITS, feature_bits) + 1


def largest_pooled_word(feature_bits: int, pixels: int, shift: int) -> int:
    """Return the largest magnitude of a pooled feature: the sum of a map's words, shifted and rounded."""
    return (pixels << (feature_bits - 1) >> shift) + 1


def classifier_weight_bits(features: int, pooled_bits: int, constant_bits: int) -> int:
    """Return the bits of a classifier's weight: what a logit leaves beside the pooled features, which it sums up.

    Four bits more than if all weights were as large as the largest one: few are.
    """
    return min(constant_bits, LOGIT_BITS + 4 - pooled_bits - features.bit_length())


def is_shift(values: IntArray) -> bool:
    """Tell whether every entry is 0 or plus or minus a power of two."""
    size = np.abs(values)
    return bool(np.all((size & (size - 1)) == 0))
