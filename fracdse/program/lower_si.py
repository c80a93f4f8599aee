"""Lower a squeeze-and-interaction branch to integers.

The trained branch quantises its real input to `bits` bits with a power-of-two step, and its weights lie on such grids
too. So one multiply-add a channel brings the residual words, whose scales differ from channel to channel, onto the
branch's own grid, and squeeze and interaction are then exact: their sums are rounded to the next grid, halves upwards,
in training too. Only expand, which carries 1/alpha of the output, is rounded.
"""

from __future__ import annotations

import math

import numpy as np

from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.parameters import FloatArray, SIParameters
from fracdse.program.fixed_point import (
    IntArray,
    RealArray,
    largest_offset_shift,
    nearest_int,
    quantised,
    rounding_half,
    shift_for,
    word_limits,
)
from fracdse.program.model import SI_INPUT_BITS, SIProgram
from fracdse.program.scales import WordScale


def lower_si(si: SIParameters, design: Design, before: WordScale, out_gain: RealArray) -> SIProgram:
    """Lower a branch that reads words of scale `before` and adds out_gain (C,) words for each real unit.

    Raises:
        ProgramError: The words' constants are too narrow for a weight.
    """
    bits = design.accelerator.constant_bits
    scale, centre = before.alpha / si.input_step, before.beta / si.input_step
    input_shift = _shift_for("an input multiplier", scale, centre, SI_INPUT_BITS, f"{SI_INPUT_BITS} bits")
    squeeze_bias = si.squeeze_bias.astype(float) / si.squeeze_step
    squeeze, squeeze_shift = _on_grid(
        "squeeze", si.squeeze, squeeze_bias, si.squeeze_step / si.input_step, si.bits, bits
    )
    none = np.zeros(1)
    interaction, interaction_shift = _on_grid(
        "interaction", si.interaction, none, si.interaction_step / si.squeeze_step, si.bits, bits
    )
    expand, expand_bias = si.expand * out_gain[:, None] * si.interaction_step, si.expand_bias * out_gain
    expand_shift = _shift_for("an expand weight", expand, expand_bias, bits, f"accelerator.constant_bits = {bits}")
    return SIProgram(
        bits=si.bits,
        input_multiplier=quantised(scale, input_shift, SI_INPUT_BITS),
        input_offset=_offset(centre, input_shift),
        input_shift=input_shift,
        squeeze=squeeze,
        squeeze_offset=_offset(squeeze_bias, squeeze_shift),
        squeeze_shift=squeeze_shift,
        interaction=interaction,
        interaction_shift=interaction_shift,
        expand=quantised(expand, expand_shift, bits),
        expand_offset=_offset(expand_bias, expand_shift),
        expand_shift=expand_shift,
    )


def _offset(values: RealArray, shift: int) -> IntArray:
    """Return constants as offsets before a shift, with the half that rounds."""
    return nearest_int(values * 2.0**shift) + rounding_half(shift)


def _shift_for(what: str, values: RealArray, offsets: RealArray, bits: int, room: str) -> int:
    """Return the shift with which values fit `bits` bits and offsets a program's constants."""
    _check_fits(what, float(np.max(np.abs(values), initial=0.0)), bits, room)
    return min(shift_for(values, bits), largest_offset_shift(offsets))


def _on_grid(
    name: str, weight: FloatArray, bias: RealArray, step_ratio: float, weight_bits: int, bits: int
) -> tuple[IntArray, int]:
    """Return weights as integers and the shift that leads from sums of input steps to output steps.

    Weights on a grid of `weight_bits` bits become exact where the constants have as many; where the output's step is
    finer than that, they are scaled up. `bias` is in output steps.
    """
    steps_apart = round(math.log2(step_ratio))
    values = weight.astype(float)
    weight_shift = min(shift_for(values, min(weight_bits, bits)), largest_offset_shift(bias) - steps_apart)
    weight_shift = max(weight_shift, -steps_apart)
    largest = float(np.max(np.abs(values), initial=0.0)) * 2.0**weight_shift
    _check_fits(f"a {name} weight", largest, bits, f"accelerator.constant_bits = {bits}")
    return quantised(values, weight_shift, bits), weight_shift + steps_apart


def _check_fits(what: str, largest: float, bits: int, room: str) -> None:
    # One step beyond the last is saturated: that costs no more than rounding does.
    if np.rint(largest) > word_limits(bits)[1] + 1:
        raise ProgramError(
            f"SI branch: {what} of {largest:.0f} does not fit {room}",
            hint="Raise accelerator.constant_bits, or lower accelerator.feature_bits and network.si_bits.",
        )
