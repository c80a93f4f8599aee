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

    y: NDArray[np.int16]
    total: NDArray[np.int64]
    words: NDArray[np.int32]


class StemRunner:
    """Runs the stem; every pixel's share of a tap comes from a table, as in the hardware's table form."""

    def __init__(self, spec: StemSpec, layer: StemProgram, feature_bits: int) -> None:
        self._spec, self._layer, self._bits = spec, layer, feature_bits
        levels = np.arange(spec.levels)
        counts = np.arange(spec.levels + 1)
        signs = np.where(levels < counts[:, None], 1, -1)
        weight = layer.weight.astype(np.int64).reshape(spec.out_channels, spec.colours, spec.levels, 3, 3)
        # (tap rows, tap columns, colours, counts, channels). A sum is at most 9 · 256 · 3: 16 bits hold it.
        table = np.einsum("nl,oclij->ijcno", signs, weight)
        self._table = np.ascontiguousarray(table.astype(np.int16))

    def run(self, images: NDArray[np.uint8]) -> StemResult:
        """Run on images (N, H, W, colours)."""
        layer = self._layer
        y = self._sums(images)
        total = (y * layer.multiplier + layer.offset) >> layer.shift
        return StemResult(y, total, saturate_word(total, self._bits).astype(np.int32))

    def _sums(self, images: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Add up, for each output pixel, the shares that its taps take from the pixels of the images."""
        spec = self._spec
        counts = np.moveaxis(thermometer_counts(images, spec.levels, spec.resolution), -1, 0)
        count, rows, columns = images.shape[:3]
        padded = np.zeros((count, rows + 2, columns + 2, spec.out_channels), np.int16)
        # Tap (i, j) of output p reads pixel p + (i − 1, j − 1): add each pixel's share where its output lies.
        for i in range(3):
            for j in range(3):
                share = self._table[i, j, 0].take(counts[0], axis=0)
                for colour in range(1, spec.colours):
                    share += self._table[i, j, colour].take(counts[colour], axis=0)
                padded[:, 2 - i : 2 - i + rows, 2 - j : 2 - j + columns] += share
        return np.ascontiguousarray(padded[:, 1 : rows + 1 : spec.stride, 1 : columns + 1 : spec.stride])
