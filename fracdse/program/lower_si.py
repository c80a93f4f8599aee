"""Lower a squeeze-and-interaction branch to integers.

The trained branch quantises its real input to `bits` bits with a power-of-two step, and its weights lie on such grids
too. So one multiply-add a channel brings the residual words, whose scales differ from channel to channel, onto the
branch's own grid, and squeeze and interaction are then exact: their sums are rounded to the next grid, halves upwards,
in training too. Only expand, which carries 1/alpha of the output, is rounded.
"""

from __future__ import annotations

import math

from fracdse.design import Design
from fracdse.parameters import FloatArray, SIParameters
from fracdse.program.fixed_point import IntArray, RealArray, nearest_int, quantised, rounding_half, shift_for
from fracdse.program.model import SI_INPUT_BITS, SIProgram
from fracdse.program.scales import WordScale


def lower_si(si: SIParameters, design: Design, before: WordScale, out_gain: RealArray) -> SIProgram:
    """Lower a branch that reads words of scale `before` and adds out_gain (C,) words for each real unit."""
    bits = design.accelerator.constant_bits
    scale = before.alpha / si.input_step
    input_shift = shift_for(scale, SI_INPUT_BITS)
    offset = nearest_int(before.beta / si.input_step * 2.0**input_shift) + rounding_half(input_shift)
    squeeze, squeeze_shift = _on_grid(si.squeeze, si.squeeze_step / si.input_step, si.bits, bits)
    squeeze_offset = si.squeeze_bias.astype(float) / si.squeeze_step
    interaction, interaction_shift = _on_grid(si.interaction, si.interaction_step / si.squeeze_step, si.bits, bits)
    expand = si.expand * out_gain[:, None] * si.interaction_step
    expand_shift = shift_for(expand, bits)
    return SIProgram(
        bits=si.bits,
        input_multiplier=quantised(scale, input_shift, SI_INPUT_BITS),
        input_offset=offset,
        input_shift=input_shift,
        squeeze=squeeze,
        squeeze_offset=nearest_int(squeeze_offset * 2.0**squeeze_shift) + rounding_half(squeeze_shift),
        squeeze_shift=squeeze_shift,
        interaction=interaction,
        interaction_shift=interaction_shift,
        expand=quantised(expand, expand_shift, bits),
        expand_offset=nearest_int(si.expand_bias * out_gain * 2.0**expand_shift) + rounding_half(expand_shift),
        expand_shift=expand_shift,
    )


def _on_grid(weight: FloatArray, step_ratio: float, weight_bits: int, bits: int) -> tuple[IntArray, int]:
    """Return weights as integers and the shift that leads from sums of input steps to output steps.

    Weights on a grid of `weight_bits` bits become exact; where the output's step is finer than that, they are scaled
    up.
    """
    steps_apart = round(math.log2(step_ratio))
    weight_shift = max(shift_for(weight.astype(float), weight_bits), -steps_apart)
    return quantised(weight.astype(float), weight_shift, bits), weight_shift + steps_apart
