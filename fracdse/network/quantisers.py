"""Quantisers with straight-through gradients: weight signs, k-bit activations, fixed point, powers of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

WEIGHT_CLIP = 1.3


class _SignWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return sign(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (weight,) = ctx.saved_tensors
        gradient: Tensor = gradients[0] * (weight.abs() <= WEIGHT_CLIP)
        return gradient


class _QuantiseActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x)
        scale = float(2**bits - 1) / 2
        return torch.round((x.clamp(-1, 1) + 1) * scale) / scale - 1

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * (x.abs() < 1), None


class _FixedPoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, bits: int) -> Tensor:
        lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        level = torch.floor(x / step + 0.5)
        ctx.save_for_backward((level >= lowest) & (level <= highest))
        return level.clamp_(lowest, highest) * step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None


class _PowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        magnitude = x.abs().clamp_min(2.0**-24)
        return torch.where(x < 0, -1.0, 1.0) * torch.exp2(torch.round(torch.log2(magnitude)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def sign(x: Tensor) -> Tensor:
    """Return +1 where x ≥ 0 and −1 elsewhere, in x's type."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def sign_weight(weight: Tensor) -> Tensor:
    """Return the signs of a weight; the gradient passes where |weight| ≤ 1.3 (FracBNN, arXiv 2012.12206)."""
    result: Tensor = _SignWeight.apply(weight)  # type: ignore[no-untyped-call]
    return result


def quantise_activation(x: Tensor, bits: int) -> Tensor:
    """Return x on 2^bits equally spaced levels from −1 to 1; the gradient passes inside (−1, 1).

    With two bits: round((clamp(x, −1, 1) + 1)·1.5)/1.5 − 1 (FracBNN, arXiv 2012.12206).
    """
    result: Tensor = _QuantiseActivation.apply(x, bits)  # type: ignore[no-untyped-call]
    return result


def fixed_point(x: Tensor, step: Tensor, bits: int) -> Tensor:
    """Return clamp(⌊x / step + ½⌋, −2^(bits−1), 2^(bits−1) − 1)·step; the gradient passes where nothing is clamped.

    Halves are rounded upwards, as in the integer program.
    """
    result: Tensor = _FixedPoint.apply(x, step, bits)  # type: ignore[no-untyped-call]
    return result


def on_grid(x: Tensor, step: Tensor) -> Tensor:
    """Return x on the whole multiples of a step; the gradient passes unchanged."""
    return x + (torch.floor(x / step + 0.5) * step - x).detach()


def power_of_two(x: Tensor) -> Tensor:
    """Return x rounded to the nearest signed power of two in the logarithm; the gradient passes unchanged."""
    result: Tensor = _PowerOfTwo.apply(x)  # type: ignore[no-untyped-call]
    return result


def covering_step(x: Tensor, bits: int) -> Tensor:
    """Return the smallest power of two that keeps x within `bits` signed bits; a scalar without gradient."""
    return power_of_two_step(x.detach().abs().amax(), bits)


def power_of_two_step(largest: Tensor, bits: int) -> Tensor:
    """Return the smallest power of two that keeps values up to `largest` within `bits` signed bits; a scalar."""
    return torch.exp2(torch.ceil(torch.log2(largest.clamp_min(2.0**-20) / (2 ** (bits - 1) - 1))))
