import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_layers import plain_gated_conv

from fracdse.network.exact_conv import exact_conv2d, exact_groups, fast_type
from fracdse.network.fractional_conv import fractional_conv2d, gate_limit, leading_and_trailing_bits
from fracdse.network.quantisers import sign_weight


def case(kernel, dtype=torch.float64, in_channels=6):
    generator = torch.Generator().manual_seed(kernel)
    x = (torch.randn(3, in_channels, 8, 8, dtype=dtype, generator=generator) * 1.2).requires_grad_()
    weight = (torch.randn(5, in_channels, kernel, kernel, dtype=dtype, generator=generator) * 1.5).requires_grad_()
    threshold = torch.randn(5, dtype=dtype, generator=generator).requires_grad_()
    return x, weight, threshold


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_output_gate_and_gradients_equal_two_plain_convolutions(kernel, stride):
    x, weight, threshold = case(kernel)
    out, gates = fractional_conv2d(x, sign_weight(weight), threshold, stride, binary=True, keep_gates=True)
    want, gate = plain_gated_conv(x, weight, threshold, stride, kernel // 2)
    assert torch.equal(gates, gate > 0)
    assert 0.1 < gate.mean() < 0.9
    torch.testing.assert_close(out, want, rtol=0, atol=1e-13)
    upstream = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(1))
    for got, expected in zip(
        torch.autograd.grad(out, (x, weight, threshold), upstream),
        torch.autograd.grad(want, (x, weight, threshold), upstream),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_float32_forward_is_exact_and_gradients_are_close():
    x, weight, threshold = case(3, torch.float32)
    out, gates = fractional_conv2d(x, sign_weight(weight), threshold, 1, binary=True, keep_gates=True)
    want, gate = plain_gated_conv(x.double(), weight.double(), threshold.double(), 1, 1)
    assert torch.equal(gates, gate > 0)
    torch.testing.assert_close(out.double(), want, rtol=1e-6, atol=1e-6)
    got = torch.autograd.grad(out.square().sum(), (x, weight, threshold))
    expected = torch.autograd.grad(want.square().sum(), (x, weight, threshold))
    for one, other in zip(got, expected, strict=True):
        # Gradients are rounded to eight bits on their way into a convolution.
        assert (one - other).norm() < 0.01 * other.norm()


def test_zero_padding_adds_nothing():
    x = torch.full((1, 2, 4, 4), 0.9, dtype=torch.float64)
    weight = torch.ones(1, 2, 3, 3, dtype=torch.float64)
    out, _ = fractional_conv2d(x, weight, torch.full((1,), -1.0, dtype=torch.float64), 1, binary=True)
    taps = torch.tensor([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]], dtype=torch.float64)
    torch.testing.assert_close(out[0, 0], 2 * taps)


@given(st.floats(-60, 60, width=32), st.integers(-90, 90))
@settings(max_examples=300, deadline=None)
def test_gate_opens_where_the_integer_threshold_says(threshold, leading_sum):
    limit = gate_limit(torch.tensor([threshold], dtype=torch.float32), integer_sums=True)
    integer_threshold = int(np.floor(1.5 * float(threshold))) + 1
    assert bool(torch.tensor(float(leading_sum)) > limit) == (leading_sum >= integer_threshold)


@pytest.mark.parametrize("edge", [-2.0, 0.0, 2.0])
def test_a_sum_on_the_threshold_leaves_the_gate_shut(edge):
    limit = gate_limit(torch.tensor([edge]), integer_sums=True)
    assert not bool(torch.tensor(edge * 1.5) > limit)


def test_two_bits_are_those_of_the_level():
    x = torch.tensor([-2.0, -0.7, -0.6, -0.1, 0.0, 0.1, 0.6, 0.7, 2.0]).view(1, 1, 3, 3)
    leading, trailing = leading_and_trailing_bits(x, torch.float32).chunk(2)
    assert leading.flatten().tolist() == [-1, -1, -1, -1, 1, 1, 1, 1, 1]
    assert trailing.flatten().tolist() == [-1, -1, 1, 1, -1, -1, -1, 1, 1]


@pytest.mark.parametrize(("channels", "kernel"), [(3, 3), (16, 3), (33, 3), (57, 3), (64, 3), (128, 3), (512, 1)])
def test_sums_are_exact_in_the_fast_type(channels, kernel):
    generator = torch.Generator().manual_seed(0)
    x = torch.where(torch.rand(2, channels, 6, 6, generator=generator) < 0.97, 1.0, -1.0)
    weight = torch.where(torch.rand(4, channels, kernel, kernel, generator=generator) < 0.97, 1.0, -1.0)
    want = torch.nn.functional.conv2d(x.double(), weight.double(), padding=kernel // 2)
    assert want.max() > 0.8 * channels * kernel**2
    for dtype in {fast_type("cpu"), torch.bfloat16, torch.float32}:
        got = exact_conv2d(x.to(dtype), weight.to(dtype), 1, kernel // 2)
        assert torch.equal(got.double(), want)


@given(st.integers(1, 400), st.sampled_from([1, 3]))
def test_groups_keep_sums_within_what_eight_bits_hold(channels, kernel):
    groups = exact_groups(channels, kernel)
    share = channels // groups
    assert channels % groups == 0
    assert share * kernel**2 <= (512 if share % 2 == 0 else 256)
