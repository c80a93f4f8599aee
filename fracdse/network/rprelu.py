"""RPReLU: a PReLU between two learned shifts (ReActNet, arXiv 2003.03488)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fracdse.network.chunks import as_pixels, pixel_pieces
from fracdse.network.native import kernels_for

_ops = torch.ops.aten


class RPReLU(nn.Module):
    """The parameters of y = prelu(x + shift_in, slope) + shift_out, one of each a channel.

    The norms on both sides take in the shifts (see `norms`), so that only `prelu_onto` is left to compute.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_out = nn.Parameter(torch.zeros(channels))


class _PReLUOnto(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor, base: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(x, slope)
        ctx.factor = factor
        kernels = kernels_for(x, base)
        if kernels is not None:
            out = torch.empty_like(x)
            kernels.prelu_onto(x, slope, base, factor, out)
            return out
        out = nn.functional.prelu(x, slope)
        return out.mul_(factor).add_(base) if factor != 1.0 else out.add_(base)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, slope = ctx.saved_tensors
        d_x = torch.empty_like(x, memory_format=torch.channels_last)
        kernels = kernels_for(gradients[0], x)
        if kernels is not None:
            d_slope = kernels.prelu_backward(gradients[0], x, slope, ctx.factor, d_x).to(slope.dtype)
            return d_x, d_slope, gradients[0], None
        d_slope = torch.zeros_like(slope)
        maps = (as_pixels(each) for each in (gradients[0], x, d_x))
        gradient, pixels, d_pixels = maps
        for piece in pixel_pieces(pixels):
            upper, values = d_pixels[piece], pixels[piece]
            _ops.threshold_backward.grad_input(gradient[piece], values, 0, grad_input=upper)
            lower = gradient[piece] - upper
            upper.addcmul_(lower, slope)
            d_slope += lower.mul_(values).sum(0)
        if ctx.factor != 1.0:
            d_x, d_slope = d_x.mul_(ctx.factor), d_slope.mul_(ctx.factor)
        return d_x, d_slope, gradients[0], None


def prelu_onto(x: Tensor, slope: Tensor, base: Tensor, factor: float = 1.0) -> Tensor:
    """Return base + factor·prelu(x, slope); x and base (N, C, H, W), slope (C,)."""
    result: Tensor = _PReLUOnto.apply(x, slope, base, factor)  # type: ignore[no-untyped-call]
    return result
