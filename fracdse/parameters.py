"""What a trained network consists of when it only infers: NumPy arrays, one entry a layer of the topology.

This is the seam between the float view, which makes it, and the integer view, which lowers it; it knows no torch. All
arrays are float32; C is the number of output channels, I of input channels, k the kernel's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.design import Design

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Affine:
    """y = scale·x + shift, a channel each: a batch norm with its statistics folded. Both of shape (C,)."""

    scale: FloatArray
    shift: FloatArray


@dataclass(frozen=True)
class StemParameters:
    """weight: (C, colours·levels, 3, 3) of ±1; the output is norm(conv(levels, weight)), levels being ±1."""

    weight: FloatArray
    norm: Affine


@dataclass(frozen=True)
class SIParameters:
    """Squeeze-and-interaction branch: fixed-point steps are powers of two, weights already on their grid.

        z = quantise(x, input_step)                       (I,)  to `bits` signed levels
        a = quantise(squeeze·z + squeeze_bias, squeeze_step)          squeeze: (S, I)
        b = quantise(conv3x3(a, interaction), interaction_step)       interaction: (S, 1 or S, 3, 3)
        out = expand·b + expand_bias                                  expand: (C, S)

    quantise(x, step) = clamp(round(x / step), −2^(bits−1), 2^(bits−1) − 1)·step.
    """

    bits: int
    squeeze: FloatArray
    squeeze_bias: FloatArray
    interaction: FloatArray
    expand: FloatArray
    expand_bias: FloatArray
    input_step: float
    squeeze_step: float
    interaction_step: float


@dataclass(frozen=True)
class GatedConvParameters:
    """One gated convolution and all that follows it, up to the next one.

        out_msb = (2/3)·conv(m, weight);  out = out_msb > threshold ? conv(q, weight) : out_msb
        out    += link·shortcut(r)                               where link is given (Elastic-Link)
        h       = norm_conv(out);  h = prelu(h + shift_in, slope) + shift_out
        r'      = norm_out(h + shortcut(r) + si(r))

    weight: (C, I, k, k) of ±1; the others (C,). With clip_bits = n in the spec, 3·out is clamped to the n-bit signed
    range.
    """

    weight: FloatArray
    threshold: FloatArray
    norm_conv: Affine
    shift_in: FloatArray
    slope: FloatArray
    shift_out: FloatArray
    norm_out: Affine
    link: FloatArray | None = None
    si: SIParameters | None = None


@dataclass(frozen=True)
class ClassifierParameters:
    """weight: (classes, features), bias: (classes,)."""

    weight: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class NetworkParameters:
    """A trained network: its design and the parameters of its layers, gated convolutions in order of the topology."""

    design: Design
    stem: StemParameters
    convs: tuple[GatedConvParameters, ...]
    classifier: ClassifierParameters
