"""Lowering against the float network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_cases import random_images, random_parameters, small_design, with_words

from fracdse.errors import ProgramError
from fracdse.parameters import Affine
from fracdse.program import Executor, lower, lowering, program_bytes
from fracdse.program.file_format import program_from_bytes
from fracdse.program.fixed_point import is_shift, saturate, saturate_word
from fracdse.program.float_reference import evaluate, residual_ranges
from fracdse.program.model import StemProgram
from fracdse.program.piecewise import two_lines
from fracdse.program.report import LayerSaturation, LoweringReport, lowering_report
from fracdse.program.scales import plan_scales
from fracdse.program.validation import check_program
from fracdse.topology import gated_convs

OPTIONS = [
    {},
    {"si_width": 2, "si_interaction": "full"},
    {"si_width": 3},
    {"shortcut_bits": 4},
    {"elastic_link": True},
    {"clip_bits": 6},
    {"power_of_two": True},
    {"power_of_two": True, "shortcut_bits": 2},
    {"power_of_two": True, "shortcut_bits": 4, "si_width": 2},
]


def real_logits(program, images):
    return Executor(program).run(images).logits * program.classifier.logit_scale


@pytest.mark.parametrize("network", OPTIONS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_logits_are_the_float_networks(network, seed):
    design = small_design(colours=3, feature_bits=20, constant_bits=20, **network)
    parameters = random_parameters(design, seed)
    images = random_images(design, 60, seed + 5)
    program = lower(parameters, images[:30])
    check_program(program)
    float_logits, integer_logits = evaluate(parameters, images), real_logits(program, images)
    error = np.abs(float_logits - integer_logits)
    spread = float_logits.std()
    assert np.median(error) < 0.06 * spread
    assert (float_logits.argmax(1) == integer_logits.argmax(1)).mean() >= 0.9


def test_bodies_with_strided_stems_and_pointwise_layers_are_lowered():
    for body, width in (("mobilenet", 1), ("resnet18", 2)):
        design = small_design(size=32, body=body, width=width, feature_bits=24, constant_bits=24)
        parameters = random_parameters(design, 2)
        images = random_images(design, 20)
        program = lower(parameters, images[:10])
        check_program(program)
        errors = np.abs(evaluate(parameters, images) - real_logits(program, images))
        assert np.median(errors) < 0.05 * evaluate(parameters, images).std()


@pytest.mark.parametrize("seed", range(4))
def test_power_of_two_designs_need_no_multiplier(seed):
    design = small_design(power_of_two=True)
    program = lower(random_parameters(design, seed), random_images(design, 10))
    assert is_shift(program.stem.multiplier) or is_shift(program.stem.multiplier // 3)
    assert np.any(program.stem.multiplier)
    for conv in program.convs:
        assert is_shift(conv.multiplier)
        assert conv.residual_multiplier is None or is_shift(conv.residual_multiplier)


def test_a_scale_that_is_no_power_of_two_is_refused_in_a_power_of_two_design():
    design = small_design(power_of_two=True)
    parameters = random_parameters(design)
    layer = dataclasses.replace(parameters.convs[1], slope=parameters.convs[1].slope * np.float32(1.1))
    changed = dataclasses.replace(parameters, convs=(parameters.convs[0], layer, *parameters.convs[2:]))
    with pytest.raises(ProgramError, match=r"stage1.block0.conv2: .* not powers of two"):
        lower(changed, random_images(design, 4))


@pytest.mark.parametrize("codes", [{}, {"shortcut_bits": 2}, {"shortcut_bits": 2, "batch_norm": False}], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_links_of_power_of_two_designs_need_no_multiplier(codes, seed):
    design = small_design(power_of_two=True, elastic_link=True, **codes)
    parameters, images = random_parameters(design, seed), random_images(design, 10)
    for conv in lower(parameters, images).convs:
        assert is_shift(conv.link_multiplier)
        assert np.any(conv.link_multiplier)
    layer = dataclasses.replace(parameters.convs[0], link=parameters.convs[0].link * np.float32(1.1))
    with pytest.raises(ProgramError, match=r"conv1: .* factors of the link are not powers of two"):
        lower(dataclasses.replace(parameters, convs=(layer, *parameters.convs[1:])), images)


@pytest.mark.parametrize("codes", [{"shortcut_bits": 4}, {"batch_norm": False}], ids=str)
def test_links_on_another_scale_are_lowered_all_the_same(codes):
    design = small_design(power_of_two=True, elastic_link=True, **codes)
    check_program(lower(random_parameters(design), random_images(design, 10)))


@pytest.mark.parametrize("seed", range(3))
def test_stem_and_residual_multipliers_are_shifts_in_every_design(seed):
    design = small_design(width=4, feature_bits=10)
    program = lower(random_parameters(design, seed), random_images(design, 10))
    assert is_shift(program.stem.multiplier)
    assert all(conv.residual_multiplier is None or is_shift(conv.residual_multiplier) for conv in program.convs)


@pytest.mark.parametrize("network", OPTIONS, ids=str)
def test_no_word_of_the_calibration_images_saturates(network):
    design = small_design(**network)
    parameters, images = random_parameters(design, 4), random_images(design, 40)
    report = lowering_report(parameters, lower(parameters, images), images)
    assert report.saturated_share < 1e-3
    assert report.images == 40
    assert [layer.name for layer in report.layers][:2] == ["stem", "stage1.block0.conv1"]


def test_words_that_saturate_are_warned_of_with_their_share():
    design = small_design(colours=3)
    parameters, images = random_parameters(design, 4), random_images(design, 40)
    report = lowering_report(parameters, lower(parameters, images // 16 + 120), images)
    assert report.saturated_share > 1e-4
    assert "feature_bits = 16" in report.warnings[0]
    assert f"{report.saturated_share:.2%}" in report.warnings[0]
    assert lowering_report(parameters, lower(parameters, images), images).warnings == ()


def test_a_share_of_few_words_is_not_called_none_at_all():
    layers = (LayerSaturation("stem", 2, 10_000), LayerSaturation("conv", 0, 10**6))
    warning = LoweringReport(layers, 1.0, 10, 16).warnings[0]
    assert "less than 0.01% of the residual words saturate" in warning
    assert "0.02% in layer stem" in warning


def test_words_too_narrow_to_keep_the_class_are_warned_of():
    design = small_design(colours=3, classes=10, feature_bits=6, constant_bits=6)
    parameters, images = random_parameters(design, 0), random_images(design, 40)
    report = lowering_report(parameters, lower(parameters, images), images)
    assert report.agreement < 0.9
    assert f"{report.agreement:.1%}" in report.warnings[-1]


def test_channels_with_zero_or_tiny_gain_are_lowered():
    design = small_design(width=4)
    parameters = random_parameters(design, 1)
    layers = []
    for layer in parameters.convs:
        scale = layer.norm_out.scale.copy()
        scale[0], scale[1] = 0, 1e-6
        layers.append(dataclasses.replace(layer, norm_out=Affine(scale, layer.norm_out.shift)))
    stem = dataclasses.replace(
        parameters.stem, norm=Affine(parameters.stem.norm.scale * [0, 1, 1, 1], parameters.stem.norm.shift)
    )
    parameters = dataclasses.replace(parameters, convs=tuple(layers), stem=stem)
    images = random_images(design, 30)
    program = lower(parameters, images)
    check_program(program)
    float_logits = evaluate(parameters, images)
    assert np.median(np.abs(float_logits - real_logits(program, images))) < 0.05 * float_logits.std()


def test_scales_follow_the_batch_norms_within_a_chain():
    design = small_design()
    parameters, images = random_parameters(design, 0), random_images(design, 20)
    scales = plan_scales(parameters, residual_ranges(parameters, images))
    for before, after, layer in zip(scales[:-1], scales[1:], parameters.convs, strict=True):
        carried = np.tile(before.alpha, len(after.alpha) // len(before.alpha)) * layer.norm_out.scale
        factor = 1 if after.factor is None else after.factor
        np.testing.assert_allclose(after.alpha * factor, carried, rtol=1e-12)


@pytest.mark.parametrize(("bits", "always"), [(16, [False] * 5 + [True]), (14, [True] * 6), (24, [False] * 5 + [True])])
def test_the_last_layer_and_all_of_narrow_words_have_scales_as_fine_as_their_ranges_allow(bits, always):
    design = small_design(feature_bits=bits, constant_bits=bits)
    assert [spec.rescales_residual(bits) for spec in gated_convs(design)] == always
    parameters, images = random_parameters(design, 0), random_images(design, 20)
    scales = plan_scales(parameters, residual_ranges(parameters, images))[1:]
    for scale, own in zip(scales, always, strict=True):
        used = scale.half / np.abs(scale.alpha) / 2 ** (bits - 1)
        assert used.max() < 1
        assert used.min() > 0.44 or not own


def test_words_are_centred_on_zero_so_that_a_middle_threshold_is_their_sign():
    design = small_design()
    parameters, images = random_parameters(design, 0), random_images(design, 20)
    ranges = residual_ranges(parameters, images)
    centred = 0
    for conv, extent in zip(lower(parameters, images).convs, ranges, strict=False):
        inside = (extent.low <= 0) & (extent.high >= 0)
        assert not conv.activation_thresholds[inside, 1].any()
        centred += int(inside.sum())
    assert centred


@given(st.integers(2, 24), st.lists(st.integers(-(1 << 30), 1 << 30), min_size=1, max_size=20))
def test_saturated_words_are_themselves_or_near_their_limit(bits, values):
    x = np.array(values)
    words, clamped = saturate_word(x, bits), saturate(x, bits)
    assert words[x == clamped].tolist() == x[x == clamped].tolist()
    assert np.all(np.abs(words - clamped) <= (1 << bits) >> 8)
    assert np.all(saturate(words, bits) == words)


def test_lowering_is_deterministic():
    design = small_design(si_width=2)
    parameters, images = random_parameters(design, 0), random_images(design, 20)
    assert program_bytes(lower(parameters, images)) == program_bytes(lower(parameters, images))


def test_logits_fit_32_bits_whatever_the_words():
    design = small_design(feature_bits=24, constant_bits=24, width=16)
    program = lower(random_parameters(design, 0), random_images(design, 5))
    head = program.classifier
    pixels = 4
    largest = (pixels * 2**23 + 2**head.pool_shift) >> head.pool_shift
    assert (np.abs(head.weight).sum(1) * largest + np.abs(head.bias)).max() < 2**31


@pytest.mark.parametrize("scale", [0.3, -0.3, 0.0])
def test_two_lines_are_the_prelu_at_every_integer(scale):
    design = small_design(width=2)
    layer = random_parameters(design, 3).convs[0]
    layer = dataclasses.replace(layer, norm_conv=Affine(np.full(2, scale, np.float32), layer.norm_conv.shift))
    lines = two_lines(layer, 54)
    y = np.arange(-54, 55)[:, None]
    side = (y >= lines.split).astype(int)
    got = np.take_along_axis(lines.slope, side, 0) * y + np.take_along_axis(lines.intercept, side, 0)
    h = y / 3 * layer.norm_conv.scale.astype(float) + layer.norm_conv.shift + layer.shift_in
    np.testing.assert_allclose(got, np.where(h >= 0, h, h * layer.slope) + layer.shift_out, atol=1e-6)


def test_bad_input_is_named():
    design = small_design()
    parameters, images = random_parameters(design), random_images(design, 3)
    with pytest.raises(ProgramError, match="do not fit the design; allowed"):
        lower(parameters, images[:, :4])
    with pytest.raises(ProgramError, match="do not fit the design"):
        lower(parameters, images[:0])
    broken = dataclasses.replace(parameters.convs[0], slope=np.array([np.nan, 1], np.float32))
    with pytest.raises(ProgramError, match=r"stage1.block0.conv1: slope holds values that are not finite"):
        lower(dataclasses.replace(parameters, convs=(broken, *parameters.convs[1:])), images)
    for words in ((5, 16), (16, 25)):
        with pytest.raises(ProgramError, match="is out of range; allowed: 6 to 24"):
            lower(dataclasses.replace(parameters, design=with_words(design, *words)), images)


def test_residual_multipliers_of_codes_fit_a_dsp_slice():
    design = small_design(feature_bits=12, constant_bits=12, power_of_two=True, shortcut_bits=4)
    program = lower(random_parameters(design, 3), random_images(design, 20, 3))
    for conv in program.convs:
        assert conv.residual_multiplier is not None
        assert conv.residual_multiplier.max() < 1 << 26


@pytest.mark.parametrize("seed", range(3))
def test_a_stem_that_shifts_further_than_the_constants_are_wide_can_be_read_back(seed):
    design = small_design(colours=3, width=5, shortcut_bits=2, feature_bits=24, thermometer_resolution=128)
    program = lower(random_parameters(design, seed), random_images(design, 8))
    assert program.stem.multiplier.max() > (1 << 15) - 1
    assert program_bytes(program_from_bytes(program_bytes(program))) == program_bytes(program)


def with_branch(parameters, **changes):
    """Parameters whose first layer has another SI branch."""
    first = parameters.convs[0]
    branch = dataclasses.replace(first.si, **changes)
    return dataclasses.replace(parameters, convs=(dataclasses.replace(first, si=branch), *parameters.convs[1:]))


def test_branches_of_nothing_but_a_bias_are_lowered():
    design = small_design(si_width=2, feature_bits=20)
    plain = random_parameters(design)
    parameters = with_branch(
        plain,
        squeeze=np.zeros_like(plain.convs[0].si.squeeze),
        expand=np.zeros_like(plain.convs[0].si.expand),
        expand_bias=np.full_like(plain.convs[0].si.expand_bias, 0.5),
    )
    images = random_images(design, 30)
    program = lower(parameters, images)
    assert program.convs[0].si.expand_shift < 40
    error = np.abs(evaluate(parameters, images) - real_logits(program, images))
    assert np.median(error) < 0.1 * evaluate(parameters, images).std()


def test_branches_with_more_bits_than_the_constants_are_rounded_and_do_not_saturate():
    design = small_design(si_width=3, si_bits=16, feature_bits=10, constant_bits=8)
    program = lower(random_parameters(design, 3), random_images(design, 20))
    for conv in program.convs:
        for weight in (conv.si.squeeze, conv.si.interaction):
            assert 63 <= np.abs(weight).max() <= 127


def test_branches_whose_weights_cannot_fit_are_refused():
    design = small_design(si_width=2, feature_bits=8, constant_bits=8)
    parameters, images = random_parameters(design), random_images(design, 8)
    finer = with_branch(parameters, squeeze_step=parameters.convs[0].si.input_step * 2.0**-12)
    with pytest.raises(ProgramError, match=r"a squeeze weight of \d+ does not fit accelerator.constant_bits = 8"):
        lower(finer, images)
    coarse = small_design(si_width=2, si_bits=2, feature_bits=11, constant_bits=8)
    with pytest.raises(ProgramError, match=r"an expand weight of \d+ does not fit accelerator.constant_bits = 8"):
        lower(random_parameters(coarse), random_images(coarse, 8))


@pytest.mark.parametrize("part", ["squeeze", "squeeze_bias", "interaction", "expand", "expand_bias"])
def test_branches_with_values_that_are_no_numbers_are_refused(part):
    design = small_design(si_width=2)
    parameters = random_parameters(design)
    broken = np.full_like(getattr(parameters.convs[0].si, part), np.nan)
    with pytest.raises(ProgramError, match=rf"stage1.block0.conv1: SI {part} holds values that are not finite"):
        lower(with_branch(parameters, **{part: broken}), random_images(design, 3))


def test_a_program_that_no_reader_would_take_is_not_made(monkeypatch):
    design = small_design()
    too_far = StemProgram(np.ones((2, 8, 3, 3), np.int8), np.ones(2, np.int64), np.zeros(2, np.int64), 49)
    monkeypatch.setattr(lowering, "lower_stem", lambda *_: too_far)
    with pytest.raises(ProgramError, match=r"constant_bits = 16 give no program .*: stem: shift = 49") as caught:
        lower(random_parameters(design), random_images(design, 4))
    assert "word lengths" in caught.value.hint
