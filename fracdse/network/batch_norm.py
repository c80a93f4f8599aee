"""Batch norm in training, as a function with its own gradient: fewer passes over the map than torch's on a CPU.

    s = f(weight·rstd)        y = s·(x − mean) + bias        rstd = 1/sqrt(variance + ε), over N, H and W

where f is the identity, or rounds to a power of two and passes gradients unchanged. With P values a channel and g the
gradient of y, D = Σ g·(x − mean):

    d_bias = Σ g        d_weight = D·rstd        d_x = s·(g − Σ g/P) − (weight·rstd³·D/P)·(x − mean)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.chunks import as_pixels, pixel_pieces
from fracdse.network.quantisers import power_of_two


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, rounded: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        mean, variance = _statistics(as_pixels(x))
        rstd = torch.rsqrt(variance + epsilon)
        scale = power_of_two(weight * rstd) if rounded else weight * rstd
        ctx.save_for_backward(x, weight, mean, rstd, scale)
        ctx.mark_non_differentiable(mean, variance)
        shift = bias - mean * scale
        return torch.addcmul(shift[:, None, None], x, scale[:, None, None]), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, rstd, scale = ctx.saved_tensors
        gradient, pixels = as_pixels(gradients[0]), as_pixels(x)
        total, product = torch.zeros_like(mean, dtype=torch.float64), torch.zeros_like(mean, dtype=torch.float64)
        for piece in pixel_pieces(pixels):
            total += gradient[piece].sum(0)
            product += torch.mul(gradient[piece], pixels[piece]).sum(0)
        covariance = (product - total * mean).to(mean.dtype)
        d_bias = total.to(mean.dtype)
        of_x = -weight * rstd.pow(3) * covariance / len(pixels)
        constant = -scale * d_bias / len(pixels) - of_x * mean
        d_x = torch.empty_like(x)
        d_pixels = as_pixels(d_x)
        for piece in pixel_pieces(pixels):
            torch.addcmul(constant, pixels[piece], of_x, out=d_pixels[piece]).addcmul_(gradient[piece], scale)
        return d_x, covariance * rstd, d_bias, None, None


def _statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of (P, C)."""
    total = torch.zeros(pixels.shape[1], dtype=torch.float64, device=pixels.device)
    squares = torch.zeros_like(total)
    for piece in pixel_pieces(pixels):
        total += pixels[piece].sum(0)
        squares += pixels[piece].square().sum(0)
    mean = total / len(pixels)
    variance = (squares / len(pixels) - mean.square()).clamp_min_(0)
    return mean.to(pixels.dtype), variance.to(pixels.dtype)


def batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, *, rounded: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise x (N, C, H, W) by its own statistics.

    Args:
        x: The map.
        weight: (C,).
        bias: (C,).
        epsilon: Added to the variance.
        rounded: Round the resulting scale to a power of two.

    Returns:
        The normalised map, and the mean and the variance (C,) that it was normalised by.
    """
    out, mean, variance = _BatchNorm.apply(x, weight, bias, epsilon, rounded)  # type: ignore[no-untyped-call]
    return out, mean, variance
