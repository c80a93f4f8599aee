"""One gated convolution of an integer program, for a batch of images.

Leading sums M and trailing sums L come out of one matrix product: an activation enters as (2·msb − 1)·K + (2·lsb − 1)
with a power of two K > 2·fan_in, so a sum is M·K + L with |L| < K/2 and falls apart again by a shift. Every partial
sum stays below 2^24 in float32, or 2^53 in float64 for large fan-ins, so the product is exact in any order of
addition.

What follows a sum is the same for equal sums of a channel, so it is computed once for every sum that can occur and then
looked up; where a link or a large fan-in allows too many sums, it is computed for each.

Constants a channel are repeated along a row of the feature map: NumPy then works on runs of columns·channels elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.program.execute_si import SIResult, SIRunner
from fracdse.program.fixed_point import LINKED_BITS, saturate, saturate_word, word_limits
from fracdse.program.model import GatedConvProgram, IntArray
from fracdse.program.patches import blas_product, padded, patch_rows, weight_matrix
from fracdse.topology import GatedConvSpec

Map = NDArray[Any]

# Entries of a layer's table of values: 4 MiB of int32, more would no longer stay in a core's cache.
_TABLE_ENTRIES = 1 << 20


@dataclass(frozen=True)
class ConvResult:
    """What a gated convolution computes: maps (N, H', W', C), reached (N, H, W, I).

    reached: the number of thresholds that each input word reaches; leading, trailing: M and L; gate: M ≥ threshold;
    y: after clip and link; si: the branch's words; total: the sum before saturation; words: u'.
    """

    reached: NDArray[np.int8]
    leading: NDArray[np.int32]
    trailing: NDArray[np.int32]
    gate: NDArray[np.bool_]
    y: Map
    si: SIResult | None
    total: Map
    words: NDArray[np.int32]


class GatedConvRunner:
    """Runs one gated convolution."""

    def __init__(self, spec: GatedConvSpec, layer: GatedConvProgram, feature_bits: int) -> None:
        self._spec, self._layer, self._bits = spec, layer, feature_bits
        self._k_bits = int(2 * spec.fan_in).bit_length()
        exact_in_float32 = spec.fan_in * ((1 << self._k_bits) + 1) < 1 << 24
        self._float = np.float32 if exact_in_float32 else np.float64
        # A descending channel's code is 3 − k, which negates both of its digits: the weights take the sign.
        sign = np.where(layer.descending, -1, 1)
        self._weights = weight_matrix(layer.weight * sign[None, :, None, None]).astype(self._float)
        low = -(1 << self._k_bits) - 1
        self._digits = np.array([low, low + 2, -low - 2, -low], self._float)
        self._thresholds = _row(layer.activation_thresholds.T, spec.in_width, np.int32)
        self._gate = _row(layer.gate_threshold, spec.out_width, np.int32)
        self._table = self._value_table()
        first = np.arange(spec.out_channels) * (6 * spec.fan_in + 1) + 3 * spec.fan_in
        self._table_start = _row(first, spec.out_width, np.int32)
        self._si = None if layer.si is None or spec.si is None else SIRunner(spec, layer.si)

    @property
    def patch_bytes(self) -> int:
        """Return the bytes of one image's patches, the largest array of a run."""
        spec = self._spec
        return spec.out_height * spec.out_width * spec.fan_in * np.dtype(self._float).itemsize

    def run(self, words: NDArray[np.int32]) -> ConvResult:
        """Run on input words u (N, H, W, I)."""
        reached = self._reached(words)
        leading, trailing = self._sums(reached)
        gate = leading >= self._gate
        y = trailing * gate.view(np.int8)
        y += leading
        y += leading
        shortcut = self._shortcut(words)
        y = self._linked(y, shortcut)
        if self._table is None:
            value = self._value(y, self._spec.out_width)
        else:
            value = self._table.take(y + self._table_start, mode="clip")
        total: Map = value + self._residual(shortcut)
        shape = (len(words), self._spec.out_height, self._spec.out_width, self._spec.out_channels)
        si = None if self._si is None else self._si.run(words)
        if si is not None:
            total = total.reshape(shape) + si.added
        return ConvResult(
            reached=reached,
            leading=leading.reshape(shape),
            trailing=trailing.reshape(shape),
            gate=gate.reshape(shape),
            y=y.reshape(shape),
            si=si,
            total=total.reshape(shape),
            words=saturate_word(total, self._bits).astype(np.int32, copy=False).reshape(shape),
        )

    def _reached(self, words: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return the number of thresholds that each word reaches."""
        rows = words.reshape(-1, self._spec.in_width * self._spec.in_channels)
        reached = [(rows >= threshold).view(np.int8) for threshold in self._thresholds]
        codes: NDArray[np.int8] = (reached[0] + reached[1] + reached[2]).reshape(words.shape)
        return codes

    def _sums(self, reached: NDArray[np.int8]) -> tuple[Map, Map]:
        """Return the leading and the trailing sums, (images·rows, columns·channels) each."""
        spec, k_bits = self._spec, self._k_bits
        whole, inside = padded(reached.shape, spec.kernel, self._float)
        inside[...] = self._digits.take(reached, mode="clip")
        product = blas_product(patch_rows(whole, spec.kernel, spec.stride), self._weights)
        both: Map = product.astype(np.int32 if self._float is np.float32 else np.int64)
        both = both.reshape(-1, spec.out_width * spec.out_channels)
        half = 1 << k_bits >> 1
        both += half
        leading = both >> k_bits
        both &= (1 << k_bits) - 1
        both -= half
        return leading.astype(np.int32, copy=False), both.astype(np.int32, copy=False)

    def _shortcut(self, words: NDArray[np.int32]) -> Map:
        """Return the shortcut's words or codes x, (images·rows, columns·channels)."""
        spec, layer = self._spec, self._layer
        x: Map = words
        if spec.stride > 1:
            images, rows, columns, channels = x.shape
            area = spec.stride**2
            shape = (images, rows // spec.stride, spec.stride, columns // spec.stride, spec.stride, channels)
            x = (x.reshape(shape).sum((2, 4), dtype=np.int64) + area // 2) >> (area.bit_length() - 1)
            x = x.astype(np.int32)
        if layer.shortcut_thresholds is not None and layer.shortcut_descending is not None:
            codes = (x[..., None] >= layer.shortcut_thresholds).sum(-1)
            top = layer.shortcut_thresholds.shape[1]
            x = np.where(layer.shortcut_descending, top - codes, codes).astype(np.int32)
        if spec.expansion > 1:
            x = np.concatenate([x] * spec.expansion, axis=-1)
        return x.reshape(-1, spec.out_width * spec.out_channels)

    def _linked(self, y: Map, shortcut: Map) -> Map:
        """Return the sum after clip and link."""
        layer = self._layer
        if layer.clip_bits:
            y = np.clip(y, *word_limits(layer.clip_bits))
        if layer.link_multiplier is None or layer.link_offset is None:
            return y
        multiplier = _row(layer.link_multiplier, self._spec.out_width, np.int64)
        offset = _row(layer.link_offset, self._spec.out_width, np.int64)
        return saturate(y + ((multiplier * shortcut + offset) >> layer.link_shift), LINKED_BITS)

    def _value(self, y: Map, columns: int) -> Map:
        """Return v, the multiply-add of one of two lines, for sums (…, columns·channels)."""
        layer = self._layer
        upper = y >= _row(layer.split, columns, np.int64)

        def chosen(lines: IntArray) -> Map:
            # As np.where(upper, lines[1], lines[0]), in a third of its time where `upper` changes often.
            lower, other = _row(lines, columns, np.int64)
            line: Map = lower + upper * (other - lower)
            return line

        value: Map = (y * chosen(layer.multiplier) + chosen(layer.offset)) >> layer.shift
        return value

    def _value_table(self) -> Map | None:
        """Return v for the sums −3·fan_in to 3·fan_in, one channel after the other; None where they are too many."""
        spec = self._spec
        sums = np.arange(-3 * spec.fan_in, 3 * spec.fan_in + 1)
        if spec.elastic_link or sums.size * spec.out_channels > _TABLE_ENTRIES:
            return None
        table = self._value(sums[:, None], 1).T.reshape(-1)
        fits_int32 = int(np.abs(table).max()) + (1 << self._bits) < 1 << 31
        return table.astype(np.int32) if fits_int32 else table

    def _residual(self, shortcut: Map) -> Map:
        """Return r, what the shortcut adds."""
        layer = self._layer
        if layer.residual_multiplier is None:
            return shortcut
        factor = _row(layer.residual_multiplier, self._spec.out_width, np.int64)
        return (factor * shortcut) >> layer.residual_shift


def _row(constants: IntArray, columns: int, dtype: Any) -> NDArray[Any]:
    """Repeat constants (…, C) along a row of a feature map: (…, columns·C)."""
    return np.tile(constants, (1,) * (constants.ndim - 1) + (columns,)).astype(dtype)
