"""Quantisers and gates as integer thresholds.

A channel's word u stands for alpha·u + beta. The quantiser of networks.md §1 rounds half to even, so the step from
level j − 1 to level j happens at (x + 1)·(2^bits − 1)/2 = j − 1/2, where the higher level is taken if j is even and
the lower one if j is odd: the thresholds are chosen at exactly those points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fracdse.program.fixed_point import IntArray, RealArray, saturate


def quantiser_thresholds(
    alpha: RealArray, beta: RealArray, bits: int, word_bits: int
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the thresholds (C, 2^bits − 1), ascending, of the quantiser on words, and which channels descend.

    The level of a word u is the number of thresholds t ≤ u, or 2^bits − 1 less that number where the channel descends
    (alpha < 0). Thresholds outside the word are moved to its limits.
    """
    levels = np.arange(1, 2**bits)
    points = (levels - 0.5) * 2 / (2**bits - 1) - 1
    word = (points - beta[:, None]) / alpha[:, None]
    inclusive = levels % 2 == 0
    rising = np.where(inclusive, np.ceil(word), np.floor(word) + 1)
    # Falling channels reach level j at or below a last word; the threshold that ends it is one further up.
    falling = np.where(inclusive, np.floor(word) + 1, np.ceil(word))[:, ::-1]
    descending = alpha < 0
    chosen = np.where(descending[:, None], falling, rising)
    limit = 2.0**62
    return saturate(np.clip(chosen, -limit, limit).astype(np.int64), word_bits), descending


def gate_thresholds(threshold: NDArray[np.float32], fan_in: int) -> IntArray:
    """Return the smallest leading sum M with (2/3)·M > Δ: floor(1.5·Δ) + 1, moved to just beyond M's range."""
    first: RealArray = np.clip(np.floor(1.5 * threshold.astype(float)) + 1, -fan_in - 1, fan_in + 1)
    return first.astype(np.int64)
