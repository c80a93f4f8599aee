"""Check that a program is one of its design: shapes of every array against the topology, word lengths and shifts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fracdse.errors import ProgramError
from fracdse.program.fixed_point import (
    CODE_FACTOR_BITS,
    LARGEST_CONSTANT,
    LARGEST_SHIFT,
    LARGEST_STORED_SHIFT,
    LOGIT_BITS,
    IntArray,
    is_shift,
    largest_pooled_word,
    pooling_shift,
    word_limits,
)
from fracdse.program.model import SI_INPUT_BITS, GatedConvProgram, Program, SIProgram
from fracdse.program.shapes import Shapes, classifier_shapes, conv_shapes, si_shapes, stem_shapes
from fracdse.topology import (
    LARGEST_WORD,
    SMALLEST_WORD,
    ClassifierSpec,
    GatedConvSpec,
    PoolSpec,
    StemSpec,
    topology,
)

# What a stem's shift may be multiplied by, the largest last (see `Program`'s module).
_STEM_FACTORS = (1, 3, 15)
# A residual word times its multiplier stays below this many bits, so that what is added to it still fits 64.
_PRODUCT_BITS = 62


def check_program(program: Program) -> None:
    """Raise ProgramError for the first thing in which a program does not fit its design."""
    layers = topology(program.design)
    stem, classifier = layers[0], layers[-1]
    assert isinstance(stem, StemSpec)
    assert isinstance(classifier, ClassifierSpec)
    if program.feature_bits != program.design.accelerator.feature_bits:
        raise ProgramError(
            f"words of {program.feature_bits} bits; the design asks for {program.design.accelerator.feature_bits}"
        )
    constant_bits = program.design.accelerator.constant_bits
    check_word_lengths(program.feature_bits, constant_bits)
    _shapes("stem", program.stem, stem_shapes(stem))
    _stem_multiplier(program.stem.multiplier, constant_bits)
    _shift("stem: shift", program.stem.shift)
    specs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    if len(specs) != len(program.convs):
        raise ProgramError(f"{len(program.convs)} gated convolutions; the design has {len(specs)}")
    for spec, conv in zip(specs, program.convs, strict=True):
        _check_conv(spec, conv, program.feature_bits, constant_bits)
    head = program.classifier
    _shapes("classifier", head, classifier_shapes(classifier))
    _narrow("classifier: weight", head.weight, constant_bits)
    pool = next(spec for spec in layers if isinstance(spec, PoolSpec))
    pixels = pool.height * pool.width
    _shift("pool_shift", head.pool_shift, pooling_shift(program.feature_bits, pixels))
    _logits_fit(head.weight, head.bias, largest_pooled_word(program.feature_bits, pixels, head.pool_shift))
    if not (math.isfinite(head.logit_scale) and head.logit_scale > 0):
        raise ProgramError(f"logit_scale = {head.logit_scale} is not a positive number")


def _logits_fit(weight: IntArray, bias: IntArray, largest_word: int) -> None:
    """Raise ProgramError where some image could have a logit of more than LOGIT_BITS bits."""
    sums = np.abs(weight).sum(1).tolist()
    largest = max(total * largest_word + abs(own) for total, own in zip(sums, bias.tolist(), strict=True))
    if largest > word_limits(LOGIT_BITS)[1]:
        raise ProgramError(f"classifier: a logit can be as large as {largest}, which {LOGIT_BITS} bits do not hold")


def check_word_lengths(feature_bits: int, constant_bits: int) -> None:
    """Raise ProgramError where a design's word lengths are out of range."""
    for name, bits in (("feature_bits", feature_bits), ("constant_bits", constant_bits)):
        if not SMALLEST_WORD <= bits <= LARGEST_WORD:
            raise ProgramError(
                f"accelerator.{name} = {bits} is out of range; allowed: {SMALLEST_WORD} to {LARGEST_WORD}"
            )


def _check_conv(spec: GatedConvSpec, conv: GatedConvProgram, word_bits: int, constant_bits: int) -> None:
    name = f"layer {spec.name}"
    if (conv.name, conv.stride, conv.clip_bits) != (spec.name, spec.stride, spec.clip_bits):
        raise ProgramError(f"{name}: name, stride or clip_bits are not the design's")
    _shapes(name, conv, conv_shapes(spec))
    _ascending(f"{name}: activation_thresholds", conv.activation_thresholds, word_bits)
    largest = spec.fan_in + 1
    if np.abs(conv.gate_threshold).max() > largest:
        raise ProgramError(f"{name}: gate_threshold is out of range; allowed: -{largest} to {largest}")
    for part in ("multiplier", "link_multiplier"):
        _narrow(f"{name}: {part}", getattr(conv, part), constant_bits)
    for part in ("shift", "residual_shift", "link_shift"):
        _shift(f"{name}: {part}", getattr(conv, part))
    if conv.residual_multiplier is not None:
        _residual_multiplier(f"{name}: residual_multiplier", conv.residual_multiplier, word_bits)
    if conv.shortcut_thresholds is not None:
        _ascending(f"{name}: shortcut_thresholds", conv.shortcut_thresholds, word_bits)
    if (conv.si is None) != (spec.si is None):
        raise ProgramError(f"{name}: its SI branch is {'missing' if conv.si is None else 'not in the design'}")
    if conv.si is not None:
        _check_si(name, spec, conv.si, constant_bits)


def _check_si(name: str, spec: GatedConvSpec, si: SIProgram, constant_bits: int) -> None:
    branch, shapes = spec.si, si_shapes(spec)
    assert branch is not None
    assert shapes is not None
    if si.bits != branch.bits:
        raise ProgramError(f"{name}: SI branch of {si.bits} bits; the design asks for {branch.bits}")
    _shapes(name, si, shapes)
    for part in ("squeeze", "interaction", "expand"):
        _narrow(f"{name}: {part}", getattr(si, part), constant_bits)
    _narrow(f"{name}: input_multiplier", si.input_multiplier, SI_INPUT_BITS)
    for part in ("input_shift", "squeeze_shift", "interaction_shift", "expand_shift"):
        _shift(f"{name}: {part}", getattr(si, part))


def _shapes(name: str, layer: Any, shapes: Shapes) -> None:
    """Raise ProgramError where a layer's arrays are not those of the design."""
    for part, shape in shapes.items():
        array = getattr(layer, part)
        if array is None and part == "residual_multiplier":
            continue
        if (array is not None) != (shape is not None):
            raise ProgramError(f"{name}: {part} is {'missing' if array is None else 'not in the design'}")
        if array is not None and shape is not None:
            _shape(f"{name}: {part}", array, shape)


def _shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ProgramError(f"{name} has the shape {array.shape}; the design asks for {shape}")
    if array.dtype == np.int64 and (array.min() < -LARGEST_CONSTANT or array.max() > LARGEST_CONSTANT):
        raise ProgramError(f"{name} holds constants beyond ±{LARGEST_CONSTANT}")


def _stem_multiplier(multiplier: IntArray, constant_bits: int) -> None:
    """Raise ProgramError for multipliers that neither fit the constants nor are shifts, times 1, 3 or 15."""
    low, high = word_limits(constant_bits)
    if multiplier.min() >= low and multiplier.max() <= high:
        return
    size = np.abs(multiplier)
    if not any(np.all(size % odd == 0) and is_shift(size // odd) for odd in _STEM_FACTORS):
        raise ProgramError(f"stem: multiplier does not fit {constant_bits} bits and is no shift")
    if size.max() > _STEM_FACTORS[-1] << LARGEST_SHIFT:
        raise ProgramError(f"stem: multiplier is a shift by more than {LARGEST_SHIFT}")


def _residual_multiplier(name: str, multiplier: IntArray, word_bits: int) -> None:
    """Raise ProgramError for multipliers that are neither shifts whose products fit 64 bits nor factors of codes."""
    low, high = word_limits(CODE_FACTOR_BITS)
    shifts = is_shift(multiplier) and multiplier.min() >= 0 and multiplier.max() <= 1 << (_PRODUCT_BITS - word_bits)
    if not shifts and (multiplier.min() < low or multiplier.max() > high):
        raise ProgramError(
            f"{name} does not fit {CODE_FACTOR_BITS} bits and is no shift by at most {_PRODUCT_BITS - word_bits}"
        )


def _narrow(name: str, array: Any, bits: int) -> None:
    low, high = word_limits(bits)
    if array is not None and (array.min() < low or array.max() > high):
        raise ProgramError(f"{name} does not fit {bits} bits")


def _ascending(name: str, thresholds: Any, word_bits: int) -> None:
    low, high = word_limits(word_bits)
    if np.any(np.diff(thresholds, axis=1) < 0) or thresholds.min() < low or thresholds.max() > high:
        raise ProgramError(f"{name} are not ascending words of {word_bits} bits")


def _shift(name: str, shift: int, largest: int = LARGEST_STORED_SHIFT) -> None:
    if not 0 <= shift <= largest:
        raise ProgramError(f"{name} = {shift} is out of range; allowed: 0 to {largest}")
