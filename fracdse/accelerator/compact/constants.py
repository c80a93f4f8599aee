"""The compact accelerator's constants as bits: what follows a sum, and where codes change, a channel each.

A sum enters the multiplication as z: y / 2 of a gated convolution, y of the stem. All layers are brought to one shift:

    v = (multiplier·z + offset·2^offset_shift) >> shift

which is the program's (multiplier·y + offset) >> shift with all of its constants times the same power of two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_

import numpy as np

from fracdse.accelerator.arithmetic import shape_of
from fracdse.compact_plan import LANES
from fracdse.errors import ConfigError
from fracdse.program.model import GatedConvProgram, IntArray, Program


@dataclass(frozen=True)
class Field:
    """Bits of a constant, and whether its highest one is a sign."""

    name: str
    bits: int
    signed: bool


def _fields(values: Mapping[str, tuple[IntArray, ...]]) -> tuple[Field, ...]:
    """Return fields that hold every layer's values."""
    shapes = {name: shape_of(int(value) for layer in layers for value in layer) for name, layers in values.items()}
    return tuple(Field(name, shape.width, shape.signed) for name, shape in shapes.items())


@dataclass(frozen=True)
class PostConstants:
    """Constants a layer as (channels,) arrays, stem first.

    gate: least sum H of leading products, M = 2·H, whose gate is open. split: least z of the upper line. residual:
    index into `residual_shifts`, the steps to the left (None: no residual).
    """

    shift: int
    offset_shift: int
    residual_shifts: tuple[int | None, ...]
    values: dict[str, tuple[IntArray, ...]]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of one channel, lowest bits first."""
        return _fields(self.values)


@dataclass(frozen=True)
class CodeThresholds:
    """Thresholds of the gated convolutions' input words, (channels,) each: `upper` t3, `middle` t2 and `lower` t1.

    Where all t2 are 0, `middle` is left out; where all t1 are −t3 as well, so is `lower`.
    """

    values: dict[str, tuple[IntArray, ...]]

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of one channel, lowest bits first."""
        return _fields(self.values)


def post_constants(program: Program) -> PostConstants:
    """Return the constants after every layer's sums.

    Raises:
        ConfigError: A residual is multiplied by what is no shift.
    """
    lines = [_stem_line(program), *(_conv_line(layer) for layer in program.convs)]
    shift = max(line.least_shift for line in lines)
    multipliers = [_shifted(line.multiplier, shift - line.shift) for line in lines]
    offsets = [_shifted(line.offset, shift - line.shift) for line in lines]
    offset_shift = min(shift, *(_trailing_zeros(offset) for offset in offsets))
    steps = [_residual_steps(layer) for layer in program.convs]
    distinct = sorted({step for layer in steps for step in layer}, key=lambda step: (step is None, step or 0))
    shifts: tuple[int | None, ...] = tuple(dict.fromkeys([*distinct, None]))
    nothing = np.zeros(len(program.stem.multiplier), np.int64)
    residuals = [nothing + shifts.index(None), *(np.array([shifts.index(step) for step in layer]) for layer in steps)]
    gates = [-((-layer.gate_threshold) // 2) for layer in program.convs]
    splits = [-((-layer.split) // 2) for layer in program.convs]
    values: dict[str, tuple[IntArray, ...]] = {
        "gate": (nothing + int(gates[0].min()), *gates),
        "split": (nothing, *splits),
        "residual": tuple(residuals),
    }
    for row, name in enumerate(("lower", "upper")):
        values[f"multiplier_{name}"] = tuple(array[row] for array in multipliers)
        values[f"offset_{name}"] = tuple(array[row] >> offset_shift for array in offsets)
    return PostConstants(shift, offset_shift, shifts, values)


def code_thresholds(program: Program) -> CodeThresholds:
    """Return the thresholds of the words that gated convolutions take in."""
    lower, middle, upper = (tuple(layer.activation_thresholds[:, i] for layer in program.convs) for i in range(3))
    values = {"upper": upper}
    centred = not any(np.any(layer) for layer in middle)
    if not centred or any(np.any(low != -high) for low, high in zip(lower, upper, strict=True)):
        values["lower"] = lower
    if not centred:
        values["middle"] = middle
    return CodeThresholds(values)


def packed_words(values: dict[str, tuple[IntArray, ...]], fields: Sequence[Field], layer: int, width: int) -> list[int]:
    """Return a layer's constants as memory words of `width` bits, equally many for every `LANES` channels."""
    channels = len(next(iter(values.values()))[layer])
    words = []
    bits = sum(field.bits for field in fields)
    for first in range(0, channels, LANES):
        number, at = 0, 0
        for channel in range(first, first + LANES):
            for field in fields:
                number |= (int(values[field.name][layer][channel]) & ((1 << field.bits) - 1)) << at
                at += field.bits
        for start in range(0, LANES * bits, width):
            words.append((number >> start) & ((1 << width) - 1))
    return words


@dataclass(frozen=True)
class _Line:
    """multiplier, offset: (2, C), of z, at `shift`; `least_shift` is the least that leaves them whole."""

    multiplier: IntArray
    offset: IntArray
    shift: int

    @property
    def least_shift(self) -> int:
        values = np.concatenate([self.multiplier.reshape(-1), self.offset.reshape(-1)])
        return max(0, self.shift - _trailing_zeros(values))


def _stem_line(program: Program) -> _Line:
    stem = program.stem
    return _Line(np.stack([stem.multiplier] * 2), np.stack([stem.offset] * 2), stem.shift)


def _conv_line(layer: GatedConvProgram) -> _Line:
    return _Line(2 * layer.multiplier, layer.offset, layer.shift)


def _residual_steps(layer: GatedConvProgram) -> list[int | None]:
    """Return by how many steps to the left each channel's residual goes; None where it is multiplied by 0."""
    if layer.residual_multiplier is None:
        return [0] * len(layer.split)
    steps: list[int | None] = []
    for factor in map(int, layer.residual_multiplier):
        if factor < 0 or factor & (factor - 1):
            raise ConfigError(f"layer {layer.name}: a residual's factor of {factor} is no power of two")
        steps.append(factor.bit_length() - 1 - layer.residual_shift if factor else None)
    return steps


def _shifted(values: IntArray, steps: int) -> IntArray:
    """Return values·2^steps; whole, and Python's integers: two far shifts may take a constant beyond 64 bits."""
    exact: IntArray = values.astype(object)
    return exact << steps if steps >= 0 else exact >> -steps


def _trailing_zeros(values: IntArray) -> int:
    """Return how many low bits are 0 in all values."""
    joined = reduce(or_, map(int, values.reshape(-1)), 0)
    return 62 if joined == 0 else (joined & -joined).bit_length() - 1
