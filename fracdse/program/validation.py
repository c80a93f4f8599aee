"""Check that a program is one of its design: shapes of every array against the topology, word lengths and shifts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fracdse.errors import ProgramError
from fracdse.program.fixed_point import LOGIT_BITS, IntArray, largest_pooled_word, word_limits
from fracdse.program.model import SI_INPUT_BITS, GatedConvProgram, Program, SIProgram
from fracdse.topology import ClassifierSpec, GatedConvSpec, PoolSpec, SIBranchSpec, StemSpec, topology

SMALLEST_WORD, LARGEST_WORD = 6, 24
_LARGEST_SHIFT = 48
_LARGEST_CONSTANT = 1 << 48


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
    channels = (stem.out_channels,)
    _shape("stem: weight", program.stem.weight, (stem.out_channels, stem.in_channels, stem.kernel, stem.kernel))
    _shape("stem: multiplier", program.stem.multiplier, channels)
    _narrow("stem: multiplier", program.stem.multiplier, constant_bits)
    _shape("stem: offset", program.stem.offset, channels)
    _shift("stem: shift", program.stem.shift)
    specs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    if len(specs) != len(program.convs):
        raise ProgramError(f"{len(program.convs)} gated convolutions; the design has {len(specs)}")
    for spec, conv in zip(specs, program.convs, strict=True):
        _check_conv(spec, conv, program.feature_bits, constant_bits)
    head = program.classifier
    _shift("pool_shift", head.pool_shift)
    _shape("classifier: weight", head.weight, (classifier.classes, classifier.features))
    _shape("classifier: bias", head.bias, (classifier.classes,))
    _narrow("classifier: weight", head.weight, constant_bits)
    pool = next(spec for spec in layers if isinstance(spec, PoolSpec))
    word = largest_pooled_word(program.feature_bits, pool.height * pool.width, head.pool_shift)
    _logits_fit(head.weight, head.bias, word)
    if not (math.isfinite(head.logit_scale) and head.logit_scale > 0):
        raise ProgramError(f"logit_scale = {head.logit_scale} is not a positive number")


def _logits_fit(weight: IntArray, bias: IntArray, largest_word: int) -> None:
    """Raise ProgramError where some image could have a logit of more than LOGIT_BITS bits."""
    largest = max(
        sum(abs(int(value)) for value in row) * largest_word + abs(int(own))
        for row, own in zip(weight, bias, strict=True)
    )
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
    name, out, inp = f"layer {spec.name}", spec.out_channels, spec.in_channels
    if (conv.name, conv.stride, conv.clip_bits) != (spec.name, spec.stride, spec.clip_bits):
        raise ProgramError(f"{name}: name, stride or clip_bits are not the design's")
    _shape(f"{name}: weight", conv.weight, (out, inp, spec.kernel, spec.kernel))
    _shape(f"{name}: activation_thresholds", conv.activation_thresholds, (inp, 3))
    _ascending(f"{name}: activation_thresholds", conv.activation_thresholds, word_bits)
    _shape(f"{name}: descending", conv.descending, (inp,))
    for part in ("gate_threshold", "split"):
        _shape(f"{name}: {part}", getattr(conv, part), (out,))
    for part in ("multiplier", "offset"):
        _shape(f"{name}: {part}", getattr(conv, part), (2, out))
    for part in ("multiplier", "link_multiplier"):
        _narrow(f"{name}: {part}", getattr(conv, part), constant_bits)
    for part in ("shift", "residual_shift", "link_shift"):
        _shift(f"{name}: {part}", getattr(conv, part))
    levels = 2**spec.shortcut_bits - 1
    _optional(f"{name}: residual_multiplier", conv.residual_multiplier, (out,), conv.residual_multiplier is not None)
    _optional(f"{name}: shortcut_thresholds", conv.shortcut_thresholds, (inp, levels), spec.shortcut_bits > 0)
    _optional(f"{name}: shortcut_descending", conv.shortcut_descending, (inp,), spec.shortcut_bits > 0)
    if conv.shortcut_thresholds is not None:
        _ascending(f"{name}: shortcut_thresholds", conv.shortcut_thresholds, word_bits)
    _optional(f"{name}: link_multiplier", conv.link_multiplier, (out,), spec.elastic_link)
    _optional(f"{name}: link_offset", conv.link_offset, (out,), spec.elastic_link)
    if (conv.si is None) != (spec.si is None):
        raise ProgramError(f"{name}: its SI branch is {'missing' if conv.si is None else 'not in the design'}")
    if conv.si is not None and spec.si is not None:
        _check_si(name, spec, spec.si, conv.si, constant_bits)


def _check_si(name: str, spec: GatedConvSpec, branch: SIBranchSpec, si: SIProgram, constant_bits: int) -> None:
    width = branch.width
    if si.bits != branch.bits:
        raise ProgramError(f"{name}: SI branch of {si.bits} bits; the design asks for {branch.bits}")
    _shape(f"{name}: squeeze", si.squeeze, (width, spec.in_channels))
    _shape(f"{name}: squeeze_offset", si.squeeze_offset, (width,))
    _shape(f"{name}: interaction", si.interaction, (width, 1 if branch.interaction == "depthwise" else width, 3, 3))
    _shape(f"{name}: expand", si.expand, (spec.out_channels, width))
    _shape(f"{name}: expand_offset", si.expand_offset, (spec.out_channels,))
    for part, bits in (("squeeze", constant_bits), ("interaction", constant_bits), ("expand", constant_bits)):
        _narrow(f"{name}: {part}", getattr(si, part), bits)
    _shape(f"{name}: input_multiplier", si.input_multiplier, (spec.in_channels,))
    _shape(f"{name}: input_offset", si.input_offset, (spec.in_channels,))
    _narrow(f"{name}: input_multiplier", si.input_multiplier, SI_INPUT_BITS)
    for part in ("input_shift", "squeeze_shift", "interaction_shift", "expand_shift"):
        _shift(f"{name}: {part}", getattr(si, part))


def _shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ProgramError(f"{name} has the shape {array.shape}; the design asks for {shape}")
    if array.dtype == np.int64 and (array.min() < -_LARGEST_CONSTANT or array.max() > _LARGEST_CONSTANT):
        raise ProgramError(f"{name} holds constants beyond ±{_LARGEST_CONSTANT}")


def _narrow(name: str, array: Any, bits: int) -> None:
    low, high = word_limits(bits)
    if array is not None and (array.min() < low or array.max() > high):
        raise ProgramError(f"{name} does not fit {bits} bits")


def _optional(name: str, array: Any, shape: tuple[int, ...], wanted: bool) -> None:
    if (array is not None) != wanted:
        raise ProgramError(f"{name} is {'missing' if wanted else 'not in the design'}")
    if array is not None:
        _shape(name, array, shape)


def _ascending(name: str, thresholds: Any, word_bits: int) -> None:
    low, high = word_limits(word_bits)
    if np.any(np.diff(thresholds, axis=1) < 0) or thresholds.min() < low or thresholds.max() > high:
        raise ProgramError(f"{name} are not ascending words of {word_bits} bits")


def _shift(name: str, shift: int) -> None:
    if not 0 <= shift <= _LARGEST_SHIFT:
        raise ProgramError(f"{name} = {shift} is out of range; allowed: 0 to {_LARGEST_SHIFT}")
