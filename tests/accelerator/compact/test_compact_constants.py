from dataclasses import replace

import numpy as np
import pytest
from compact_programs import compact_design, with_thresholds
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import random_program

from fracdse.accelerator.compact.constants import code_thresholds, packed_words, post_constants
from fracdse.compact_plan import LANES
from fracdse.errors import ConfigError

DESIGN = compact_design()


def unpacked(constants, layer, width):
    """Read a layer's constants back from its words: name to (channels,)."""
    words = packed_words(constants.values, constants.fields, layer, width)
    bits = sum(field.bits for field in constants.fields)
    each = -(-LANES * bits // width)
    assert all(0 <= word < 1 << width for word in words)
    assert len(words) % each == 0
    values = {field.name: [] for field in constants.fields}
    for first in range(0, len(words), each):
        number = sum(word << (width * i) for i, word in enumerate(words[first : first + each]))
        for _ in range(LANES):
            for field in constants.fields:
                value = number & ((1 << field.bits) - 1)
                number >>= field.bits
                values[field.name].append(value - ((value >> (field.bits - 1) << field.bits) if field.signed else 0))
        assert number == 0
    return {name: np.array(column, dtype=object) for name, column in values.items()}


def with_random_shifts(program, seed):
    """Give each layer a shift, and constants with low zeros, of its own."""
    rng = np.random.default_rng(seed)
    convs = []
    for layer in program.convs:
        shift = int(rng.integers(0, 49))
        zeros = int(rng.integers(0, 20))
        offset = rng.integers(-(1 << 28), 1 << 28, layer.offset.shape) << zeros
        convs.append(replace(layer, shift=shift, multiplier=layer.multiplier << (zeros // 2), offset=offset))
    stem = replace(program.stem, shift=int(rng.integers(0, 49)), offset=program.stem.offset << int(rng.integers(0, 9)))
    return replace(program, convs=tuple(convs), stem=stem)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([36, 72, 252]))
def test_what_follows_a_sum_is_the_programs(seed, extras, width):
    program = with_random_shifts(random_program(DESIGN, seed, extras=extras), seed)
    constants = post_constants(program)
    rng = np.random.default_rng(seed)
    for number, layer in enumerate((program.stem, *program.convs)):
        fields = unpacked(constants, number, width)
        channels = len(fields["gate"])
        for _ in range(4):
            z = rng.integers(-300, 300, channels).astype(object)
            side = (z >= fields["split"]).astype(int)
            lines = np.array([fields["multiplier_lower"], fields["multiplier_upper"]])
            offsets = np.array([fields["offset_lower"], fields["offset_upper"]])
            channel = np.arange(channels)
            offset = offsets[side, channel] << constants.offset_shift
            got = (lines[side, channel] * z + offset) >> constants.shift
            if number == 0:
                want = (layer.multiplier.astype(object) * z + layer.offset.astype(object)) >> layer.shift
            else:
                y = 2 * z
                upper = (y >= layer.split).astype(int)
                want = layer.multiplier.astype(object)[upper, channel] * y + layer.offset.astype(object)[upper, channel]
                want = want >> layer.shift
            assert (got == want).all()


def test_gates_open_at_the_same_sums():
    program = random_program(DESIGN, 3)
    constants = post_constants(program)
    for number, layer in enumerate(program.convs, start=1):
        fields = unpacked(constants, number, 72)
        for h in range(-20, 20):
            assert ((h >= fields["gate"]) == (2 * h >= layer.gate_threshold)).all()


def test_residuals_are_shifted_as_the_program_multiplies_them():
    program = random_program(DESIGN, 4, extras=True)
    first = replace(program.convs[0], residual_multiplier=np.array([0, 1, 2, 4, 8, 16, 32, 64] * 2), residual_shift=3)
    program = replace(
        program, convs=(first, *program.convs[1:-1], replace(program.convs[-1], residual_multiplier=None))
    )
    constants = post_constants(program)
    assert constants.residual_shifts[-1] is None
    x = np.random.default_rng(0).integers(-2048, 2048, 64)
    for number, layer in enumerate(program.convs, start=1):
        for channel, index in enumerate(unpacked(constants, number, 36)["residual"]):
            steps = constants.residual_shifts[index]
            got = 0 * x if steps is None else x << steps if steps >= 0 else x >> -steps
            factor = 1 if layer.residual_multiplier is None else int(layer.residual_multiplier[channel])
            shift = 0 if layer.residual_multiplier is None else layer.residual_shift
            assert (got == (factor * x) >> shift).all()
    # The stem has none.
    assert all(constants.residual_shifts[index] is None for index in unpacked(constants, 0, 36)["residual"])


@pytest.mark.parametrize("factor", [3, -2])
def test_a_residual_that_is_no_shift_is_refused(factor):
    program = random_program(DESIGN, 5)
    odd = replace(program.convs[1], residual_multiplier=np.full(16, factor))
    with pytest.raises(ConfigError, match=f"layer stage1.block0.conv2: a residual's factor of {factor} is no power"):
        post_constants(replace(program, convs=(program.convs[0], odd, *program.convs[2:])))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("free", ["upper", "lower", "middle"]), ("centred", ["upper", "lower"]), ("symmetric", ["upper"])],
)
def test_thresholds_that_follow_from_others_are_left_out(kind, names):
    program = with_thresholds(random_program(DESIGN, 6), kind)
    thresholds = code_thresholds(program)
    assert [field.name for field in thresholds.fields] == names
    for number, layer in enumerate(program.convs):
        fields = unpacked(thresholds, number, 36)
        for column, name in enumerate(("lower", "middle", "upper")):
            if name in fields:
                assert (fields[name] == layer.activation_thresholds[:, column]).all()
