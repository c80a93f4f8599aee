"""Batch norm in training, as a function with its own gradient: fewer passes over the map than torch's on a CPU.

    s = f(weight·rstd)        y = s·(x − mean) + bias        rstd = 1/sqrt(variance + ε), over N, H and W

where f is the identity, or rounds to a power of two and passes gradients unchanged. With P values a channel and g the
gradient of y, D = Σ g·(x − mean):

    d_bias = Σ g        d_weight = D·rstd        d_x = s·(g − Σ g/P) − (weight·rstd³·D/P)·(x − mean)

Where several processes share a batch, mean, variance and d_x are made from the sums over all of them (`partners`), and
P counts all their values; d_weight and d_bias are each process's own, as every gradient of a parameter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.chunks import as_pixels, pixel_pieces
from fracdse.network.native import kernels_for
from fracdse.network.partners import Partners
from fracdse.network.quantisers import power_of_two


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, rounded: bool, partners: Partners | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        mean, variance, ctx.count = _statistics(x, partners)
        ctx.partners = partners
        rstd = torch.rsqrt(variance + epsilon)
        scale = power_of_two(weight * rstd) if rounded else weight * rstd
        ctx.save_for_backward(x, weight, mean, rstd, scale)
        unbiased = variance * (ctx.count / (ctx.count - 1 + (ctx.count == 1)))
        ctx.mark_non_differentiable(mean, unbiased)
        return affine(x, scale, bias - mean * scale), mean, unbiased

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        x, weight, mean, rstd, scale = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        total, product = _sums(gradient, x)
        covariance = (product - total * mean).to(mean.dtype)
        d_bias, d_weight = total.to(mean.dtype), covariance * rstd
        if ctx.partners is not None:
            total, product = ctx.partners.add_up(torch.stack((total, product)))
            covariance = (product - total * mean).to(mean.dtype)
        of_x = -weight * rstd.pow(3) * covariance / ctx.count
        constant = -scale * total.to(mean.dtype) / ctx.count - of_x * mean
        d_x = _blend(gradient, x, scale, of_x, constant)
        return d_x, d_weight, d_bias, None, None, None


def _statistics(x: Tensor, partners: Partners | None) -> tuple[Tensor, Tensor, int | Tensor]:
    """Return mean and variance (C,) of (N, C, H, W), and of how many values a channel they are."""
    count: int | Tensor = x.numel() // x.shape[1]
    total, squares = _sums(x, x)
    if partners is not None:
        everywhere = partners.add_up(torch.cat((total, squares, total.new_tensor([count]))))
        (total, squares), count = everywhere[:-1].chunk(2), everywhere[-1]
    mean = total / count
    variance = (squares / count - mean.square()).clamp_min_(0)
    return mean.to(x.dtype), variance.to(x.dtype), count


def _sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return Σ x and Σ x·y a channel, in float64."""
    kernels = kernels_for(x, y)
    if kernels is not None:
        return kernels.sums(x, y)
    x_pixels, y_pixels = as_pixels(x), as_pixels(y)
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    product = torch.zeros_like(total)
    for piece in pixel_pieces(x_pixels):
        total += x_pixels[piece].sum(0)
        product += torch.mul(x_pixels[piece], y_pixels[piece]).sum(0)
    return total, product


def affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return scale·x + shift for x (N, C, H, W) and vectors (C,)."""
    kernels = None if torch.is_grad_enabled() else kernels_for(x)
    if kernels is not None:
        out = torch.empty_like(x)
        kernels.affine(x, scale, shift, out)
        return out
    return torch.addcmul(shift[:, None, None], x, scale[:, None, None])


def _blend(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor, constant: Tensor) -> Tensor:
    """Return of_x·x + of_y·y + constant, a channel each."""
    out = torch.empty_like(x)
    kernels = kernels_for(x, y, out)
    if kernels is not None:
        kernels.blend(x, y, (of_x, of_y, constant), out)
        return out
    x_pixels, y_pixels, pixels = as_pixels(x), as_pixels(y), as_pixels(out)
    for piece in pixel_pieces(pixels):
        torch.addcmul(constant, y_pixels[piece], of_y, out=pixels[piece]).addcmul_(x_pixels[piece], of_x)
    return out


def batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, *, rounded: bool, partners: Partners | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise x (N, C, H, W) by its own statistics.

    Args:
        x: The map.
        weight: (C,).
        bias: (C,).
        epsilon: Added to the variance.
        rounded: Round the resulting scale to a power of two.
        partners: The processes that have the other parts of the batch; None where this is the whole batch.

    Returns:
        The normalised map, the mean (C,) that it was normalised by, and the unbiased variance (C,).
    """
    out, mean, unbiased = _BatchNorm.apply(x, weight, bias, epsilon, rounded, partners)  # type: ignore[no-untyped-call]
    return out, mean, unbiased
