"""What follows a gated convolution, as two straight lines in y = 3·out (accelerator.md §2).

Batch norm, shift, PReLU and shift are, for one channel, A_s·y + B_s with s = 1 from `split` on. A channel whose batch
norm has a negative scale passes the PReLU's corner downwards, so its rows are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.parameters import GatedConvParameters
from fracdse.program.fixed_point import IntArray, RealArray


@dataclass(frozen=True)
class TwoLines:
    """slope, intercept: (2, C), row 0 where y < split; split: (C,). The value is in the network's real units."""

    slope: RealArray
    intercept: RealArray
    split: IntArray


def two_lines(layer: GatedConvParameters, largest_y: int) -> TwoLines:
    """Fold batch norm, PReLU and its shifts of a layer whose |y| is at most `largest_y`."""
    scale = layer.norm_conv.scale.astype(float) / 3
    shift = layer.norm_conv.shift.astype(float) + layer.shift_in
    prelu, after = layer.slope.astype(float), layer.shift_out.astype(float)
    rising = np.stack([scale, shift + after])
    leaning = np.stack([scale * prelu, shift * prelu + after])
    upwards = scale >= 0
    below = np.where(upwards, leaning, rising)
    above = np.where(upwards, rising, leaning)
    return TwoLines(
        np.stack([below[0], above[0]]), np.stack([below[1], above[1]]), _split(scale, shift, upwards, largest_y)
    )


def _split(scale: RealArray, shift: RealArray, upwards: NDArray[np.bool_], largest_y: int) -> IntArray:
    """Return the first integer y of row 1: where scale·y + shift reaches 0, or just after it where it falls."""
    with np.errstate(divide="ignore", invalid="ignore"):
        corner = -shift / scale
    corner = np.where(scale == 0, np.where(shift >= 0, -np.inf, np.inf), corner)
    first = np.where(upwards, np.ceil(corner), np.floor(corner) + 1)
    split: RealArray = np.clip(first, -largest_y - 1, largest_y + 1)
    return split.astype(np.int64)
