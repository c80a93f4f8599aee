"""Lower a squeeze-and-interaction branch to integers.

Steps of the trained branch are powers of two. Its input words differ in scale from channel to channel, so squeeze
carries alpha of the input and expand carries 1/alpha of the output; both therefore have `constant_bits`. beta of the
input moves into the squeeze's offset: the 1×1 squeeze has no padding.
"""

from __future__ import annotations

import math

import numpy as np

from fracdse.design import Design
from fracdse.parameters import SIParameters
from fracdse.program.fixed_point import IntArray, RealArray, nearest_int, quantised, rounding_half, shift_for
from fracdse.program.model import SIProgram
from fracdse.program.scales import WordScale

_HEADROOM = 1.25


def lower_si(si: SIParameters, design: Design, before: WordScale, out_gain: RealArray) -> SIProgram:
    """Lower a branch that reads words of scale `before` and adds out_gain (C,) words for each real unit."""
    bits = design.accelerator.constant_bits
    # The smallest shift with which a channel's calibrated range, and a quarter more, fits z.
    words = _HEADROOM * before.half / np.abs(before.alpha) / 2.0 ** (si.bits - 1)
    input_shift = np.maximum(np.ceil(np.log2(words)), 0).astype(np.int64)
    squeeze = si.squeeze * (before.alpha * 2.0**input_shift / si.squeeze_step)
    squeeze_shift = shift_for(squeeze, bits)
    squeeze_offset = (si.squeeze @ before.beta + si.squeeze_bias) / si.squeeze_step
    interaction, interaction_shift = _interaction(si)
    expand = si.expand * out_gain[:, None] * si.interaction_step
    expand_shift = shift_for(expand, bits)
    return SIProgram(
        bits=si.bits,
        input_shift=input_shift,
        squeeze=quantised(squeeze, squeeze_shift, bits),
        squeeze_offset=nearest_int(squeeze_offset * 2.0**squeeze_shift) + rounding_half(squeeze_shift),
        squeeze_shift=squeeze_shift,
        interaction=interaction,
        interaction_shift=interaction_shift,
        expand=quantised(expand, expand_shift, bits),
        expand_offset=nearest_int(si.expand_bias * out_gain * 2.0**expand_shift) + rounding_half(expand_shift),
        expand_shift=expand_shift,
    )


def _interaction(si: SIParameters) -> tuple[IntArray, int]:
    """Return the interaction's weights on `bits` bits and the shift from a's step to b's."""
    steps_apart = round(math.log2(si.interaction_step / si.squeeze_step))
    weight_shift = shift_for(si.interaction.astype(float), si.bits)
    weight_shift = max(weight_shift, -steps_apart)
    return quantised(si.interaction.astype(float), weight_shift, si.bits), weight_shift + steps_apart
