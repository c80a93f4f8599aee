"""The scale of every residual word: real residual = alpha·u + beta, a channel each (accelerator.md §2).

Adding a residual costs nothing while alpha only follows the batch norms: alpha' = gain·alpha. So the choice of alpha at
the stem sets the scale of a whole chain of layers. Alpha is the stem's own scale divided by a power of two, as fine
as the ranges seen in calibration allow in every layer of the chain: the stem then needs a shift and no multiplier.
Where a chain would become too coarse, or a quantised shortcut breaks it, the layer starts a new chain by shifting its
residual. beta is free in every layer. It makes u stand for alpha·(u + 1/2): the middle threshold of the next layer's
quantiser, at a real 0, is then 0 for every channel, and its comparison is the word's sign. Where 0 is not in a
channel's range, and after the last layer, beta is the middle of the range.

In power-of-two designs gains and slopes are powers of two (times one constant, 0.2, in designs without batch norms) but
out = y/3, so alpha is kept at a third of a power of two (times that constant): the stem pays the factor 3 (or 15/4)
once, and every later multiplier is a power of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fracdse.parameters import NetworkParameters
from fracdse.program.fixed_point import RealArray, word_limits
from fracdse.program.float_reference import LayerRange
from fracdse.topology import GatedConvSpec, gated_convs

# Room beyond the calibrated range, and a range that is narrower than any quantiser on [−1, 1] can see.
_HEADROOM = 1.125
_NARROWEST = 2.0**-4
# A layer may be this many times coarser within a chain than its own range allows, and in any case as coarse as 1/1024
# with words of 16 bits (half of that for each bit more).
_COARSER = 4.0
_FINE_STEP = 2.0**-10
_FINE_STEP_BITS = 16
# Exponents of a residual's shift stay below this, less the word's width: products then fit 64 bits.
_LARGEST_SHIFT = 40


@dataclass(frozen=True)
class WordScale:
    """Scale of a layer's output words: real = alpha·u + beta, both (C,).

    `half` is how far the calibrated real range reaches from the middle of the words. `factor` (C,) multiplies the
    residual before the addition (for the stem: the convolution's sum); None means 1.
    """

    alpha: RealArray
    beta: RealArray
    half: RealArray
    factor: RealArray | None = None


def plan_scales(parameters: NetworkParameters, ranges: Sequence[LayerRange]) -> list[WordScale]:
    """Choose the scale after the stem (entry 0) and after each gated convolution, from calibrated ranges."""
    specs = gated_convs(parameters.design)
    gains = [layer.norm_out.scale.astype(float) for layer in parameters.convs]
    word_bits = parameters.design.accelerator.feature_bits
    limit = word_limits(word_bits)[1] / _HEADROOM
    centres = [*(_centre(extent) for extent in ranges[:-1]), ranges[-1].middle]
    halves = [
        np.maximum(np.maximum(extent.high - centre, centre - extent.low), _NARROWEST)
        for extent, centre in zip(ranges, centres, strict=True)
    ]
    steps = [half / limit for half in halves]
    scales: list[WordScale] = []
    while len(scales) < len(ranges):
        first = len(scales)
        start = _start(parameters, specs, scales, steps[first])
        within = next((i for i in range(first, len(specs)) if specs[i].rescales_residual(word_bits)), len(specs))
        alphas = _longest_chain(start, gains[first:within], specs[first:within], steps[first:], word_bits)
        factor: RealArray | None = start.slope / alphas[0]
        if np.all(factor == 1) and first:
            factor = None
        for alpha in alphas:
            at = len(scales)
            beta = np.where(centres[at] == 0, alpha / 2, centres[at])
            scales.append(WordScale(alpha, beta, halves[at], factor if at == first else None))
    return scales


def _centre(extent: LayerRange) -> RealArray:
    """Return what the middle of a word stands for, but for half a step: 0 where it is in a channel's range."""
    return np.where((extent.low <= 0) & (extent.high >= 0), 0.0, extent.middle)


def shortcut_scale(spec: GatedConvSpec, scale: WordScale) -> tuple[RealArray, RealArray]:
    """Return alpha and beta of the shortcut's words x (codes where it is quantised), both (C_out,)."""
    if spec.shortcut_bits:
        step = 2 / (2**spec.shortcut_bits - 1)
        return np.full(spec.out_channels, step), np.full(spec.out_channels, -1.0)
    return np.tile(scale.alpha, spec.expansion), np.tile(scale.beta, spec.expansion)


@dataclass(frozen=True)
class _Start:
    """Where a chain begins: slope (C,) of the real value in what is added; alpha may be unit (C,) / 2^k."""

    slope: RealArray
    unit: RealArray


def _start(
    parameters: NetworkParameters, specs: Sequence[GatedConvSpec], scales: Sequence[WordScale], step: RealArray
) -> _Start:
    """Return where the chain begins that follows the scales chosen so far."""
    thirds = _power_of_two_unit(parameters) if parameters.design.network.power_of_two else 1.0
    if not scales:
        slope = parameters.stem.norm.scale.astype(float)
        unit = slope * thirds
    else:
        spec = specs[len(scales) - 1]
        gain = parameters.convs[len(scales) - 1].norm_out.scale.astype(float)
        slope = gain * shortcut_scale(spec, scales[-1])[0]
        unit = gain * thirds if spec.shortcut_bits and thirds < 1 else slope
    # A residual so weak that the whole of it stays within one step adds nothing.
    silent = np.abs(slope) * 2.0 ** (parameters.design.accelerator.feature_bits - 1) < step
    return _Start(np.where(silent, 0.0, slope), np.where(silent, thirds, unit))


def _power_of_two_unit(parameters: NetworkParameters) -> float:
    """Return what alpha must be a power of two times of, so that multipliers are powers of two; below 1."""
    scales = np.concatenate([layer.norm_conv.scale.astype(float) for layer in parameters.convs])
    mantissa, _ = np.frexp(np.abs(scales[scales != 0])[:1])
    return float(np.round(mantissa, 6).sum() or 0.5) / 3


def _longest_chain(
    start: _Start,
    gains: Sequence[RealArray],
    specs: Sequence[GatedConvSpec],
    steps: Sequence[RealArray],
    word_bits: int,
) -> list[RealArray]:
    """Return alpha for each layer of the longest chain that stays fine enough; at least one layer.

    gains and specs are those of the layers after the first; steps[i] is the finest alpha that layer i's range allows.
    """
    fine = _FINE_STEP * min(1.0, 2.0 ** (_FINE_STEP_BITS - word_bits))
    relative = [start.unit]
    best = _scaled(relative, steps, _LARGEST_SHIFT - word_bits)
    for gain, spec in zip(gains, specs, strict=True):
        relative.append(gain * np.tile(relative[-1], spec.expansion))
        if not np.all(relative[-1]):
            break
        longer = _scaled(relative, steps, _LARGEST_SHIFT - word_bits)
        if not _fine_enough(longer, steps, fine):
            break
        best = longer
    return best


def _scaled(relative: Sequence[RealArray], steps: Sequence[RealArray], largest_exponent: int) -> list[RealArray]:
    """Divide all layers by 2^k, one k a channel of the first layer: the largest that no layer's range forbids."""
    channels = len(relative[0])
    room = [
        (np.abs(alpha) / step).reshape(-1, channels).min(0)
        for alpha, step in zip(relative, steps, strict=False)
    ]  # fmt: skip
    exponent = np.floor(np.log2(np.min(room, axis=0)))
    exponent = np.minimum(exponent, largest_exponent)
    return [alpha / np.tile(2.0**exponent, len(alpha) // channels) for alpha in relative]


def _fine_enough(alphas: Sequence[RealArray], steps: Sequence[RealArray], fine: float) -> bool:
    return all(
        np.all(np.abs(alpha) <= np.maximum(fine, _COARSER * step)) for alpha, step in zip(alphas, steps, strict=False)
    )
