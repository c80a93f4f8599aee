"""The float network in NumPy: what lowering is calibrated on and compared with.

It follows `fracdse.parameters` word for word and needs no torch. Maps are (images, rows, columns, channels).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.parameters import Affine, GatedConvParameters, NetworkParameters, SIParameters
from fracdse.program.patches import convolve
from fracdse.topology import GatedConvSpec, StemSpec, gated_convs, topology

FloatMap = NDArray[np.float32]
_CHUNK_IMAGES = 16


@dataclass(frozen=True)
class LayerRange:
    """Smallest and largest real residual of each channel after a layer, both (C,)."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def middle(self) -> NDArray[np.float64]:
        """Return the middle of each channel's range."""
        return (self.low + self.high) / 2

    @property
    def half(self) -> NDArray[np.float64]:
        """Return half the width of each channel's range."""
        return (self.high - self.low) / 2


def evaluate(parameters: NetworkParameters, images: NDArray[np.uint8]) -> FloatMap:
    """Return the float network's logits (N, classes) for images (N, H, W, colours)."""
    logits = [_logits(parameters, list(residuals(parameters, chunk))[-1]) for chunk in _chunks(images)]
    return np.concatenate(logits)


def residual_ranges(parameters: NetworkParameters, images: NDArray[np.uint8]) -> list[LayerRange]:
    """Return the range of every channel after the stem and after each gated convolution."""
    lows: list[Any] = []
    highs: list[Any] = []
    for chunk in _chunks(images):
        for index, residual in enumerate(residuals(parameters, chunk)):
            low, high = residual.min((0, 1, 2)).astype(float), residual.max((0, 1, 2)).astype(float)
            if index == len(lows):
                lows.append(low)
                highs.append(high)
            lows[index], highs[index] = np.minimum(lows[index], low), np.maximum(highs[index], high)
    return [LayerRange(low, high) for low, high in zip(lows, highs, strict=True)]


def thermometer_counts(images: NDArray[np.uint8], levels: int, resolution: int) -> NDArray[np.uint8]:
    """Return how many of a pixel's levels are +1: round(pixel / resolution), half to even, at most `levels`."""
    table = np.minimum(np.rint(np.arange(256) / resolution), levels).astype(np.uint8)
    counts: NDArray[np.uint8] = table[images]
    return counts


def thermometer(images: NDArray[np.uint8], levels: int, resolution: int) -> FloatMap:
    """Return the ±1 levels of images (N, H, W, colours) as (N, H, W, colours·levels)."""
    counts = thermometer_counts(images, levels, resolution)
    encoded = np.where(np.arange(levels) < counts[..., None], np.float32(1), np.float32(-1))
    return encoded.reshape(*images.shape[:3], -1)


def quantise_levels(x: FloatMap, bits: int) -> FloatMap:
    """Return x on the 2^bits levels of [−1, 1] (networks.md §1), rounding half to even."""
    half_steps = np.float32((2**bits - 1) / 2)
    levels: FloatMap = np.rint((np.clip(x, -1, 1) + np.float32(1)) * half_steps)
    return levels / half_steps - np.float32(1)


def _chunks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(images), _CHUNK_IMAGES):
        yield images[start : start + _CHUNK_IMAGES]


def residuals(parameters: NetworkParameters, images: NDArray[np.uint8]) -> Iterator[FloatMap]:
    """Yield the residual after the stem and after each gated convolution."""
    residual = first_residual(parameters, images)
    yield residual
    for spec, layer in zip(gated_convs(parameters.design), parameters.convs, strict=True):
        residual = next_residual(spec, layer, residual)
        yield residual


def first_residual(parameters: NetworkParameters, images: NDArray[np.uint8]) -> FloatMap:
    """Return the residual after the stem."""
    stem = topology(parameters.design)[0]
    assert isinstance(stem, StemSpec)
    encoded = thermometer(images, stem.levels, stem.resolution)
    return _affine(convolve(encoded, parameters.stem.weight, stem.stride), parameters.stem.norm)


def next_residual(spec: GatedConvSpec, layer: GatedConvParameters, residual: FloatMap) -> FloatMap:
    """Return the residual after a gated convolution, given the one before it."""
    quantised = quantise_levels(residual, 2)
    leading = np.where(quantised > 0, np.float32(1), np.float32(-1))
    out_msb = convolve(leading, layer.weight, spec.stride) * np.float32(2 / 3)
    full = convolve(quantised, layer.weight, spec.stride)
    out = np.where(out_msb > layer.threshold, full, out_msb)
    if spec.clip_bits:
        top = 2 ** (spec.clip_bits - 1)
        out = np.clip(out, np.float32(-top / 3), np.float32((top - 1) / 3))
    shortcut = _shortcut(spec, residual)
    if layer.link is not None:
        out = out + layer.link * shortcut
    h = _affine(out, layer.norm_conv) + layer.shift_in
    h = np.where(h >= 0, h, h * layer.slope) + layer.shift_out + shortcut
    if layer.si is not None:
        h = h + _si(layer.si, residual, spec.stride)
    return _affine(h, layer.norm_out)


def _shortcut(spec: GatedConvSpec, residual: FloatMap) -> FloatMap:
    x = residual
    if spec.stride > 1:
        images, rows, columns, channels = x.shape
        shape = (images, rows // spec.stride, spec.stride, columns // spec.stride, spec.stride, channels)
        x = x.reshape(shape).mean((2, 4), dtype=np.float32)
    if spec.shortcut_bits:
        x = quantise_levels(x, spec.shortcut_bits)
    return np.concatenate([x] * spec.expansion, axis=-1)


def _si(si: SIParameters, residual: FloatMap, stride: int) -> FloatMap:
    z = _fixed(residual, si.input_step, si.bits)
    a = _fixed(z @ si.squeeze.T + si.squeeze_bias, si.squeeze_step, si.bits)
    b = _fixed(convolve(a, full_interaction(si.interaction), stride), si.interaction_step, si.bits)
    return b @ si.expand.T + si.expand_bias


def full_interaction(interaction: NDArray[Any]) -> NDArray[Any]:
    """Return interaction weights (S, 1 or S, 3, 3) as (S, S, 3, 3), zero between channels where depthwise."""
    width, inputs = interaction.shape[:2]
    if inputs == width:
        return interaction
    full: NDArray[Any] = interaction * np.eye(width, dtype=interaction.dtype)[:, :, None, None]
    return full


def _fixed(x: FloatMap, step: float, bits: int) -> FloatMap:
    top = 2 ** (bits - 1)
    steps: FloatMap = np.clip(np.floor(x / np.float32(step) + np.float32(0.5)), -top, top - 1)
    return steps * np.float32(step)


def _affine(x: FloatMap, affine: Affine) -> FloatMap:
    return x * affine.scale + affine.shift


def _logits(parameters: NetworkParameters, residual: FloatMap) -> FloatMap:
    pooled: FloatMap = residual.mean((1, 2), dtype=np.float32)
    return pooled @ parameters.classifier.weight.T + parameters.classifier.bias
