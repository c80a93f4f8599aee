import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fracdse.network.quantisers import (
    fixed_point,
    power_of_two,
    power_of_two_step,
    quantise_activation,
    sign_weight,
)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_activation_levels(bits):
    x = torch.linspace(-1.5, 1.5, 4001, dtype=torch.float64)
    levels = quantise_activation(x, bits).unique()
    torch.testing.assert_close(levels, torch.linspace(-1, 1, 2**bits, dtype=torch.float64), rtol=0, atol=1e-12)
    inside = x.abs() < 1
    assert (quantise_activation(x, bits) - x)[inside].abs().max() <= 1 / (2**bits - 1) + 1e-12


def test_activation_gradient_passes_inside_only():
    x = torch.tensor([-1.5, -1.0, -0.99, 0.0, 0.99, 1.0, 1.5], requires_grad=True)
    quantise_activation(x, 2).sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_weight_sign_and_gradient():
    weight = torch.tensor([-1.4, -1.3, -0.1, 0.0, 0.1, 1.3, 1.4], requires_grad=True)
    signs = sign_weight(weight)
    signs.sum().backward()
    assert signs.tolist() == [-1, -1, -1, 1, 1, 1, 1]
    assert weight.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


@given(st.floats(-100, 100, width=32), st.integers(-6, 3), st.integers(2, 8))
def test_fixed_point_is_on_its_grid_and_clamped(value, exponent, bits):
    step = torch.tensor(2.0**exponent)
    level = float(fixed_point(torch.tensor(value), step, bits) / step)
    assert level.is_integer()
    assert -(2 ** (bits - 1)) <= level <= 2 ** (bits - 1) - 1
    if -(2 ** (bits - 1)) <= value / float(step) <= 2 ** (bits - 1) - 1:
        assert abs(level * float(step) - value) <= float(step) / 2


@given(st.floats(2.0**-18, 1000, width=32), st.integers(2, 16))
def test_step_is_the_smallest_power_of_two_that_covers(largest, bits):
    step = float(power_of_two_step(torch.tensor(largest), bits))
    top = 2 ** (bits - 1) - 1
    assert torch.tensor(step).log2().item().is_integer()
    assert step * top >= largest * (1 - 1e-6)
    assert step / 2 * top < largest * (1 + 1e-6)


def test_powers_of_two():
    x = torch.tensor([3.0, -0.2, 1.0, 0.7], requires_grad=True)
    rounded = power_of_two(x)
    assert rounded.tolist() == [4.0, -0.25, 1.0, 0.5]
    rounded.sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 1]
