"""The integer program: what the NumPy executor, the RTL and the board all compute, bit for bit.

Conventions, for every layer:

- All values are signed two's-complement integers unless said otherwise; `>>` is the arithmetic shift (floor).
- sat(x, n) clamps x to −2^(n−1) … 2^(n−1) − 1. Sums before a sat never overflow: hardware sizes them from
  the constants.
- satw(x, n) is x where it fits n bits. Elsewhere its leading byte saturates and the n − 8 bits below it stay as they
  are: sat(x >> m, 8)·2^m + (x mod 2^m) with m = n − 8, and sat(x, n) where n ≤ 8.
- u is the residual word of `feature_bits` bits a channel; the real residual is α_c·u + β_c with constants that lowering
  keeps to itself. Images, feature maps and weights are in (channel, row, column) order.
- Rounding constants (half of 2^shift) are part of the stored offsets; where there is none, `half` stands for them.

Stem:            y = Σ w·level over taps inside the image, level in {−1, 1}
                 u = satw((multiplier_c·y + offset_c) >> shift, feature_bits)
Gated conv:      k = number of the channel's three thresholds t1 ≤ t2 ≤ t3 with u ≥ t; 3 − k where `descending`
                 msb, lsb = k >> 1, k & 1
                 M = Σ w·(2·msb − 1),  L = Σ w·(2·lsb − 1)            over taps inside the image
                 y = 2·M + (L if M ≥ gate_threshold_c else 0)
                 y = sat(y, clip_bits)                                where clip_bits > 0
                 x = shortcut(u): (sum of the stride² pixels + stride²/2) >> log2(stride²) where stride > 1; with
                     `shortcut_thresholds` t of shape (C_in, 2^b − 1): code = number of t ≤ x, 2^b − 1 − code where
                     `shortcut_descending`; channels repeated as cat(x, x) up to C_out
                 y = sat(y + ((link_multiplier_c·x + link_offset_c) >> link_shift), 18)  where link_multiplier is given
                 s = 1 if y ≥ split_c else 0
                 r = x, or (residual_multiplier_c·x) >> residual_shift                where residual_multiplier is
                     given; `offset` makes up for its being floored
                 v = (multiplier[s, c]·y + offset[s, c]) >> shift
                 u' = satw(r + v + si, feature_bits)
SI branch:       z = sat((input_multiplier_c·u + input_offset_c) >> input_shift, bits)
                 a = sat((Σ squeeze·z + squeeze_offset) >> squeeze_shift, bits)
                 b = sat((Σ interaction·a + half) >> interaction_shift, bits)   3×3, stride of the layer, zero padding
                 si = (Σ expand·b + expand_offset) >> expand_shift
Pool:            p = (Σ u over the feature map + half) >> pool_shift
Classifier:      logit = Σ weight·p + bias;  the real logit is logit·logit_scale

What lowering promises beyond the equations, so that hardware may rely on it:

- The multipliers of convolutions and links, squeeze, expand and the classifier's weight fit `constant_bits`; offsets
  are as wide as their values need; activation and shortcut thresholds fit `feature_bits`.
- Stem multipliers are 0 or ±2^n, in power-of-two designs 0 or ±3·2^n (±15·2^n without batch norms). Entries of
  residual_multiplier are 0 or 2^n, except in power-of-two designs with quantised shortcuts: there they have
  27 bits, and x is a code. In power-of-two designs entries of multiplier are 0 or ±2^n. All of these are shifts
  (and one addition for the 3 or the 15).
- Stored constants lie within ±2^48 and shifts are at most 48; a gate_threshold is at most one beyond what M can be.
- |logit| < 2^31 for every input, so a logit is one 32-bit word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.design import Design

IntArray = NDArray[np.int64]
SignArray = NDArray[np.int8]
BoolArray = NDArray[np.bool_]


SI_INPUT_BITS = 18


@dataclass(frozen=True)
class StemProgram:
    """weight: (C, colours·levels, 3, 3) of ±1, channel order colour·levels + level; multiplier, offset: (C,)."""

    weight: SignArray
    multiplier: IntArray
    offset: IntArray
    shift: int


@dataclass(frozen=True)
class SIProgram:
    """input_multiplier, input_offset: (I,); squeeze: (S, I), interaction: (S, 1 or S, 3, 3), expand: (C, S); offsets
    (S,), (C,).

    z, a and b have `bits` bits, input_multiplier `SI_INPUT_BITS` (so that a word times it is one DSP48E2), the other
    weights up to `constant_bits`.
    """

    bits: int
    input_multiplier: IntArray
    input_offset: IntArray
    input_shift: int
    squeeze: IntArray
    squeeze_offset: IntArray
    squeeze_shift: int
    interaction: IntArray
    interaction_shift: int
    expand: IntArray
    expand_offset: IntArray
    expand_shift: int


@dataclass(frozen=True)
class GatedConvProgram:
    """weight: (C, I, k, k) of ±1; activation_thresholds: (I, 3) ascending; descending: (I,); gate_threshold, split:
    (C,).

    multiplier and offset are (2, C): row 0 where y < split, row 1 where y ≥ split. The optional fields are None where
    the layer has no such step.
    """

    name: str
    weight: SignArray
    activation_thresholds: IntArray
    descending: BoolArray
    gate_threshold: IntArray
    clip_bits: int
    split: IntArray
    multiplier: IntArray
    offset: IntArray
    shift: int
    stride: int
    residual_multiplier: IntArray | None = None
    residual_shift: int = 0
    shortcut_thresholds: IntArray | None = None
    shortcut_descending: BoolArray | None = None
    link_multiplier: IntArray | None = None
    link_offset: IntArray | None = None
    link_shift: int = 0
    si: SIProgram | None = None


@dataclass(frozen=True)
class ClassifierProgram:
    """weight: (classes, features), bias: (classes,); pool_shift belongs to the pool before it."""

    pool_shift: int
    weight: IntArray
    bias: IntArray
    logit_scale: float


@dataclass(frozen=True)
class Program:
    """A whole network as integers. `feature_bits` is the width of every residual word."""

    design: Design
    feature_bits: int
    stem: StemProgram
    convs: tuple[GatedConvProgram, ...]
    classifier: ClassifierProgram
