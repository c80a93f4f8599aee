"""The executor against the contract written out in loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_cases import random_conv, random_images, random_parameters, random_spec, small_design
from slow_program import run_classifier, run_conv, run_stem

from fracdse.errors import ProgramError
from fracdse.program import Executor, execute_conv, lower
from fracdse.program.execute_conv import GatedConvRunner
from fracdse.program.execute_stem import StemRunner
from fracdse.topology import gated_convs, topology


def last(array):
    """(…, C, H, W) to (…, H, W, C)."""
    return np.moveaxis(np.asarray(array), -3, -1)


def assert_layer_is_exact(spec, layer, words, feature_bits):
    """words: (N, I, H, W)."""
    result = GatedConvRunner(spec, layer, feature_bits).run(last(words).astype(np.int32))
    for index, image in enumerate(words):
        slow = run_conv(layer, feature_bits, image.astype(object))
        codes = np.where(layer.descending, 3 - result.reached, result.reached)
        fast = (codes, result.leading, result.trailing, result.gate, result.y, result.words)
        for name, want, got in zip(("codes", "M", "L", "gate", "y", "u"), slow, fast, strict=True):
            np.testing.assert_array_equal(got[index].astype(np.int64), last(want.astype(np.int64)), err_msg=name)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), feature_bits=st.sampled_from([6, 10, 16, 24]), constant_bits=st.integers(6, 24))
def test_random_layers_of_every_option_follow_the_contract(seed, feature_bits, constant_bits):
    rng = np.random.default_rng(seed)
    spec = random_spec(rng)
    layer = random_conv(rng, spec, feature_bits, constant_bits)
    low, high = -(2 ** (feature_bits - 1)), 2 ** (feature_bits - 1)
    words = rng.integers(low, high, (2, spec.in_channels, spec.in_height, spec.in_width))
    words[1] = rng.choice([low, high - 1], words[1].shape)
    assert_layer_is_exact(spec, layer, words, feature_bits)


@pytest.mark.parametrize("gate", ["shut", "open"])
def test_gates_all_shut_and_all_open(gate):
    rng = np.random.default_rng(5)
    spec = random_spec(rng, kernel=3, clip_bits=0, elastic_link=False)
    layer = random_conv(rng, spec, 16, 16)
    layer.gate_threshold[:] = spec.fan_in + 1 if gate == "shut" else -spec.fan_in
    words = rng.integers(-(2**15), 2**15, (1, spec.in_channels, spec.in_height, spec.in_width))
    result = GatedConvRunner(spec, layer, 16).run(last(words).astype(np.int32))
    assert result.gate.all() if gate == "open" else not result.gate.any()
    assert_layer_is_exact(spec, layer, words, 16)


@pytest.mark.parametrize("table", ["of 32 bits", "of 64 bits", "too large"])
def test_values_from_a_table_and_without_one_follow_the_contract(table, monkeypatch):
    if table == "too large":
        monkeypatch.setattr(execute_conv, "_TABLE_ENTRIES", 0)
    rng = np.random.default_rng(11)
    spec = random_spec(rng, kernel=3, clip_bits=0, elastic_link=False)
    shift = 0 if table == "of 64 bits" else 8
    layer = replace(random_conv(rng, spec, 24, 24), multiplier=np.full((2, spec.out_channels), 2**23 - 1), shift=shift)
    layer.offset[:] = 2**31
    runner = GatedConvRunner(spec, layer, 24)
    dtype = {"of 32 bits": np.int32, "of 64 bits": np.int64, "too large": None}[table]
    assert dtype is None if runner._table is None else runner._table.dtype == dtype
    words = rng.integers(-(2**23), 2**23, (2, spec.in_channels, spec.in_height, spec.in_width))
    assert_layer_is_exact(spec, layer, words, 24)


def test_fan_ins_beyond_float32_stay_exact():
    rng = np.random.default_rng(3)
    spec = random_spec(
        rng, in_channels=400, out_channels=400, kernel=3, stride=1, in_height=2, in_width=2, si=None, shortcut_bits=0
    )
    layer = random_conv(rng, spec, 16, 16)
    layer.weight[0] = 1
    layer.descending[:] = False
    layer.activation_thresholds[:] = -(2**15)
    words = np.zeros((1, 400, 2, 2), np.int64)
    result = GatedConvRunner(spec, layer, 16).run(last(words).astype(np.int32))
    assert result.leading[0, 0, 0, 0] == result.trailing[0, 0, 0, 0] == 4 * 400
    taps = layer.weight[:, :, 1:, 1:].sum((1, 2, 3))
    np.testing.assert_array_equal(result.leading[0, 0, 0], taps)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    resolution=st.sampled_from([4, 8, 17, 32, 64, 255]),
    body=st.sampled_from(["resnet", "resnet18"]),
    colours=st.sampled_from([1, 3]),
)
def test_stem_follows_the_contract(seed, resolution, body, colours):
    size = 4 if body == "resnet" else 32
    design = small_design(size=size, colours=colours, body=body, thermometer_resolution=resolution)
    stem = topology(design)[0]
    program = lower(random_parameters(design, seed), random_images(design, 2, seed))
    image = random_images(design, 1, seed + 1)
    image[0, 0, :4, 0] = [0, 255, resolution // 2, 3 * resolution // 2 % 256]
    result = StemRunner(stem, program.stem, program.feature_bits).run(image)
    slow = run_stem(program.stem, program.feature_bits, image[0], stem.levels, stem.resolution, stem.stride)
    np.testing.assert_array_equal(result.words[0], last(slow.astype(np.int64)))


OPTIONS = [
    {},
    {"si_width": 2},
    {"si_width": 3, "si_interaction": "full", "si_bits": 6},
    {"shortcut_bits": 4},
    {"elastic_link": True},
    {"clip_bits": 6},
    {"power_of_two": True},
    {"power_of_two": True, "shortcut_bits": 2},
    {"si_width": 2, "shortcut_bits": 3, "elastic_link": True, "clip_bits": 5},
]


@pytest.mark.parametrize("network", OPTIONS, ids=str)
def test_whole_programs_follow_the_contract(network):
    design = small_design(**network)
    program = lower(random_parameters(design, 7), random_images(design, 8))
    images = random_images(design, 2, 9)
    result = Executor(program).run(images)
    stem = topology(design)[0]
    for image, logits in zip(images, result.logits, strict=True):
        u = run_stem(program.stem, program.feature_bits, image, stem.levels, stem.resolution, stem.stride)
        for conv in program.convs:
            u = run_conv(conv, program.feature_bits, u)[-1]
        assert run_classifier(program, u) == logits.tolist()


@pytest.mark.parametrize("network", [{}, {"si_width": 2}], ids=str)
def test_trace_holds_the_words_of_the_contract(network):
    design = small_design(**network)
    program = lower(random_parameters(design, 7), random_images(design, 8))
    image = random_images(design, 1, 4)[0]
    trace = Executor(program).trace(image)
    stem = topology(design)[0]
    u = run_stem(program.stem, program.feature_bits, image, stem.levels, stem.resolution, stem.stride)
    np.testing.assert_array_equal(trace.stem_u, u.astype(np.int64))
    for conv, layer in zip(program.convs, trace.layers, strict=True):
        codes, leading, trailing, gate, y, u = run_conv(conv, program.feature_bits, u)
        got = (layer.codes, layer.leading, layer.trailing, layer.gate, layer.y, layer.u)
        for want, words in zip((codes, leading, trailing, gate, y, u), got, strict=True):
            np.testing.assert_array_equal(words, want.astype(np.int64))
        assert (layer.si is None) == (conv.si is None)
    assert trace.logits.tolist() == run_classifier(program, u)


def test_chunks_and_threads_do_not_change_the_result():
    design = small_design()
    program = lower(random_parameters(design, 3), random_images(design, 8))
    images = random_images(design, 70)
    one, many = Executor(program, threads=1).run(images), Executor(program, threads=3).run(images)
    single = np.concatenate([Executor(program).run(images[i : i + 1]).logits for i in range(70)])
    np.testing.assert_array_equal(one.logits, many.logits)
    np.testing.assert_array_equal(one.logits, single)
    assert one.gates == many.gates
    assert one.gates.images == 70
    np.testing.assert_array_equal(one.predictions, one.logits.argmax(1))


def test_gate_statistics_count_what_the_layers_compute():
    design = small_design()
    program = lower(random_parameters(design, 3), random_images(design, 8))
    images = random_images(design, 5)
    executor = Executor(program)
    gates = executor.run(images).gates
    for layer, result, spec in zip(gates.layers, executor.layers(images), gated_convs(design), strict=True):
        assert layer.name == spec.name
        assert layer.open_fraction == pytest.approx(result.gate.mean())
        assert layer.largest_lane_count[1] == pytest.approx(result.gate.sum(-1).mean())
        assert layer.largest_lane_count[spec.out_channels] == pytest.approx(result.gate.any(-1).mean())


def test_images_of_another_shape_or_type_are_refused():
    design = small_design()
    executor = Executor(lower(random_parameters(design), random_images(design, 2)))
    for images in (
        np.zeros((1, 9, 8, 1), np.uint8),
        np.zeros((1, 8, 8, 1), np.float32),
        np.zeros((0, 8, 8, 1), np.uint8),
    ):
        with pytest.raises(ProgramError, match="do not fit the program; allowed"):
            executor.run(images)
