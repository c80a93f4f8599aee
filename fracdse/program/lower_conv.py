"""Lower the stem and one gated convolution to integers."""

from __future__ import annotations

import numpy as np

from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.parameters import FloatArray, GatedConvParameters, StemParameters
from fracdse.program.fixed_point import (
    CODE_FACTOR_BITS,
    LARGEST_SHIFT,
    LINKED_BITS,
    IntArray,
    RealArray,
    nearest_int,
    quantised,
    rounding_half,
    saturate,
    shift_for,
    word_limits,
)
from fracdse.program.lower_si import lower_si
from fracdse.program.model import GatedConvProgram, SignArray, StemProgram
from fracdse.program.piecewise import two_lines
from fracdse.program.scales import WordScale, shortcut_scale
from fracdse.program.thresholds import gate_thresholds, quantiser_thresholds
from fracdse.topology import GatedConvSpec

# Bits of an offset below a word's last: more would change a sum's rounding by less than 1/64, and cost a LUT each.
_OFFSET_BITS = 5
# Relative difference below which two real constants count as one.
_SAME = 1e-12


def lower_stem(layer: StemParameters, design: Design, scale: WordScale) -> StemProgram:
    """Lower the stem: u = factor·y + (shift − beta)/alpha, the factor being a power of two (or three times one)."""
    assert scale.factor is not None
    multiplier, shift = _factors(scale.factor, design.accelerator.constant_bits)
    offset = nearest_int((layer.norm.shift - scale.beta) / scale.alpha * 2.0**shift) + rounding_half(shift)
    return StemProgram(signs(layer.weight), multiplier, offset, shift)


def lower_gated_conv(
    spec: GatedConvSpec, layer: GatedConvParameters, design: Design, before: WordScale, after: WordScale
) -> GatedConvProgram:
    """Lower a gated convolution whose input and output words have the scales `before` and `after`."""
    bits, word_bits = design.accelerator.constant_bits, design.accelerator.feature_bits
    thresholds, descending = quantiser_thresholds(before.alpha, before.beta, 2, word_bits)
    lines = two_lines(layer, _largest_y(spec))
    alpha_x, beta_x = shortcut_scale(spec, before)
    gain, bias = layer.norm_out.scale.astype(float), layer.norm_out.shift.astype(float)
    slope = gain * lines.slope / after.alpha
    _check_slopes(spec.name, slope, bits)
    shift = shift_for(slope, bits)
    constant = (gain * (lines.intercept + beta_x) + bias - after.beta) / after.alpha
    residual_multiplier, residual_shift = None, 0
    if after.factor is not None:
        residual_multiplier, residual_shift = _factors(after.factor, CODE_FACTOR_BITS)
        # The shifted residual is floored: what that loses on average is given back here.
        fractional = residual_multiplier % (1 << residual_shift) != 0
        constant = constant + np.where(fractional, 0.5, 0.0)
    if design.network.power_of_two:
        _check_powers_of_two(spec.name, "multipliers", slope)
    shortcut_thresholds, shortcut_descending = None, None
    if spec.shortcut_bits:
        shortcut_thresholds, shortcut_descending = quantiser_thresholds(
            before.alpha, before.beta, spec.shortcut_bits, word_bits
        )
    if design.network.power_of_two and layer.link is not None and _in_thirds(spec):
        _check_powers_of_two(spec.name, "factors of the link", 3 * layer.link * alpha_x)
    link_multiplier, link_offset, link_shift = _link(layer, alpha_x, beta_x, bits)
    return GatedConvProgram(
        name=spec.name,
        weight=signs(layer.weight),
        activation_thresholds=thresholds,
        descending=descending,
        gate_threshold=gate_thresholds(layer.threshold, spec.fan_in),
        clip_bits=spec.clip_bits,
        split=lines.split,
        multiplier=quantised(slope, shift, bits),
        offset=_offset(constant, shift),
        shift=shift,
        stride=spec.stride,
        residual_multiplier=residual_multiplier,
        residual_shift=residual_shift,
        shortcut_thresholds=shortcut_thresholds,
        shortcut_descending=shortcut_descending,
        link_multiplier=link_multiplier,
        link_offset=link_offset,
        link_shift=link_shift,
        si=None if layer.si is None else lower_si(layer.si, design, before, gain / after.alpha),
    )


def _offset(constant: RealArray, shift: int) -> IntArray:
    """Return constants as offsets before a shift, with the half that rounds; beyond `_OFFSET_BITS` they are nearest."""
    dropped = max(0, shift - _OFFSET_BITS)
    return (nearest_int(constant * 2.0 ** (shift - dropped)) << dropped) + rounding_half(shift)


def signs(weight: FloatArray) -> SignArray:
    """Return ±1 weights as int8."""
    return np.where(weight > 0, 1, -1).astype(np.int8)


def _largest_y(spec: GatedConvSpec) -> int:
    """Return a bound of |y| where the PReLU's corner may lie; with a link it has `LINKED_BITS`."""
    return 1 << (LINKED_BITS - 1) if spec.elastic_link else 3 * spec.fan_in


def _factors(factor: RealArray, bits: int) -> tuple[IntArray, int]:
    """Return factors as integers and a shift: exact where all are 0 or powers of two times one small odd number.

    Others take words of `bits` bits; they multiply codes, which are not negative.
    """
    mantissas, _ = np.frexp(np.abs(factor[factor != 0]))
    if not len(mantissas) or (np.ptp(mantissas) < _SAME and (mantissas[0] * 16) % 1 < _SAME):
        for shift in range(LARGEST_SHIFT + 1):
            scaled = factor * 2.0**shift
            if np.allclose(scaled, np.rint(scaled), rtol=_SAME, atol=0):
                return nearest_int(scaled), shift
    shift = shift_for(factor, bits)
    # Rounded up, so that a code whose product is a whole number exactly is not floored to the one below.
    return saturate(np.ceil(factor * 2.0**shift).astype(np.int64), bits), shift


def _link(
    layer: GatedConvParameters, alpha_x: RealArray, beta_x: RealArray, bits: int
) -> tuple[IntArray | None, IntArray | None, int]:
    """Lower out += link·shortcut in units of y = 3·out."""
    if layer.link is None:
        return None, None, 0
    slope = 3 * layer.link * alpha_x
    shift = shift_for(slope, bits)
    offset = nearest_int(3 * layer.link * beta_x * 2.0**shift) + rounding_half(shift)
    return quantised(slope, shift, bits), offset, shift


def _in_thirds(spec: GatedConvSpec) -> bool:
    """Tell whether a power-of-two design's shortcut counts in thirds of powers of two, as y does."""
    return spec.shortcut_bits == 2 or (spec.shortcut_bits == 0 and spec.batch_norm)


def _check_slopes(name: str, slope: RealArray, bits: int) -> None:
    largest = float(np.max(np.abs(slope), initial=0.0))
    if largest > word_limits(bits)[1] + 0.5:
        raise ProgramError(
            f"layer {name}: a multiplier of {largest:.0f} does not fit accelerator.constant_bits = {bits}",
            hint="Words finer than the constants gain nothing: raise constant_bits, or lower feature_bits.",
        )


def _check_powers_of_two(name: str, what: str, slope: RealArray) -> None:
    exponent = np.log2(np.abs(slope[slope != 0]))
    wrong = np.abs(exponent - np.rint(exponent)) > 1e-6
    if np.any(wrong):
        raise ProgramError(
            f"layer {name}: {int(wrong.sum())} of {slope.size} {what} are not powers of two, as the design asks",
            hint="Round batch norm scales, PReLU slopes and link factors to powers of two before lowering.",
        )
