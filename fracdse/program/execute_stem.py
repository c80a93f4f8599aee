"""The stem of an integer program: tables of thermometer sums, then one multiply-add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.program.fixed_point import saturate_word
from fracdse.program.float_reference import thermometer_counts
from fracdse.program.model import StemProgram
from fracdse.topology import StemSpec


@dataclass(frozen=True)
class StemResult:
    """y: the convolution's sums, total: before saturation, words: u; all (N, H', W', C)."""

    y: NDArray[np.int32]
    total: NDArray[np.int64]
    words: NDArray[np.int32]


class StemRunner:
    """Runs the stem; every pixel's share of all taps comes from a table, as in the hardware's table form."""

    def __init__(self, spec: StemSpec, layer: StemProgram, feature_bits: int) -> None:
        self._spec, self._layer, self._bits = spec, layer, feature_bits
        levels = np.arange(spec.levels)
        counts = np.arange(spec.levels + 1)
        signs = np.where(levels < counts[:, None], 1, -1)
        weight = layer.weight.astype(np.int64).reshape(spec.out_channels, spec.colours, spec.levels, 9)
        # (colours, counts, taps·channels)
        table = np.einsum("nl,oclt->cnto", signs, weight)
        self._table = np.ascontiguousarray(table.reshape(spec.colours, spec.levels + 1, -1).astype(np.int16))

    def run(self, images: NDArray[np.uint8]) -> StemResult:
        """Run on images (N, H, W, colours)."""
        spec, layer = self._spec, self._layer
        counts = thermometer_counts(images, spec.levels, spec.resolution)
        shares = self._table[0][counts[..., 0]]
        for colour in range(1, spec.colours):
            shares += self._table[colour][counts[..., colour]]
        y = self._gather(shares.reshape(*images.shape[:3], 3, 3, spec.out_channels))
        total = (y * layer.multiplier + layer.offset) >> layer.shift
        return StemResult(y, total, saturate_word(total, self._bits).astype(np.int32))

    def _gather(self, shares: NDArray[np.int16]) -> NDArray[np.int32]:
        """Add up the shares (N, H, W, 3, 3, C) that the taps of each output pixel take from their pixels."""
        spec = self._spec
        images, rows, columns = shares.shape[:3]
        padded = np.zeros((images, rows + 2, columns + 2, spec.out_channels), np.int32)
        # Tap (i, j) of output p reads pixel p + (i − 1, j − 1): add each pixel's share where its output lies.
        for i in range(3):
            for j in range(3):
                padded[:, 2 - i : 2 - i + rows, 2 - j : 2 - j + columns] += shares[:, :, :, i, j]
        return np.ascontiguousarray(padded[:, 1 : rows + 1 : spec.stride, 1 : columns + 1 : spec.stride])
