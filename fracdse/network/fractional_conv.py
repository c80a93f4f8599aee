"""The fractional (precision-gated) convolution of FracBNN (arXiv 2012.12206), with its gradient rules.

With m, l ∈ {−1, 1} the leading and trailing bit of an activation, M = conv(m, W), L = conv(l, W) and a threshold Δ a
channel:

    out_msb = (2/3)·M        gate = out_msb > Δ        out = gate ? (2·M + L)/3 : (2/3)·M

Both passes share their weights, so they are one convolution of a batch of twice the size. With g the gradient of `out`
and s = sigmoid(5·(out_msb − Δ)), the gate lets t = g·(L/3)·5·s·(1 − s) through where s ≥ 1/2, and with
A = (2/3)·(g + t) and B = g·gate/3 the gradients are

    activations: convT(A + B, W) inside (−1, 1)        weights: conv_w(m, A) + conv_w(l, B)        thresholds: −Σ t
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.exact_conv import exact_conv2d, working_type

GATE_SLOPE = 5.0
LEVEL_EDGE = 2 / 3


def leading_and_trailing_bits(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the two bits of every activation as ±1, shape (2·N, C, H, W): leading bits first, then trailing ones.

    The two-bit level is k = [x > −2/3] + [x ≥ 0] + [x > 2/3] = 2·msb + lsb, which is
    round((clamp(x, −1, 1) + 1)·1.5) with halves to even.
    """
    positive, outer = x >= 0, x.abs() > LEVEL_EDGE
    bits = torch.empty((2 * x.shape[0], *x.shape[1:]), dtype=dtype, device=x.device).to(
        memory_format=torch.channels_last
    )
    leading, trailing = bits.chunk(2)
    leading.copy_(positive).mul_(2).sub_(1)
    trailing.copy_(positive == outer).mul_(2).sub_(1)
    return bits


def gate_limit(threshold: Tensor, integer_sums: bool) -> Tensor:
    """Return what M must exceed for a gate to open, shape (C, 1, 1): 1.5·Δ, or for integer sums its floor.

    With the floor the comparison is exact: M > floor(1.5·Δ) is M ≥ floor(1.5·Δ) + 1, the form of the integer program.
    """
    limit = 1.5 * threshold.double()
    return (torch.floor(limit) if integer_sums else limit).to(threshold.dtype)[:, None, None]


class _FractionalConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, threshold: Tensor, stride: int, binary: bool
    ) -> tuple[Tensor, Tensor]:
        dtype = working_type(x)
        bits = leading_and_trailing_bits(x, dtype)
        low_weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        padding = weight.shape[-1] // 2
        sums = exact_conv2d(bits, low_weight, stride, padding)
        leading, trailing = sums.chunk(2)
        gate = leading > gate_limit(threshold, binary)
        out = torch.addcmul(2 * leading.to(x.dtype), trailing, gate).div_(3)
        ctx.geometry = stride, padding
        ctx.save_for_backward(x, bits, low_weight, threshold, sums, gate)
        ctx.mark_non_differentiable(gate)
        return out, gate

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, bits, weight, threshold, sums, gate = ctx.saved_tensors
        stride, padding = ctx.geometry
        gradient = gradients[0]
        leading, trailing = sums.chunk(2)
        through_gate = _through_gate(gradient, leading, trailing, threshold)
        halves = torch.empty_like(sums, dtype=bits.dtype)
        first, second = halves.chunk(2)
        first.copy_(torch.add(gradient, through_gate)).mul_(2 / 3)
        second.copy_(gradient * gate).div_(3)
        both = first + second
        geometry = ([stride, stride], [padding, padding], [1, 1], False, [0, 0], 1)
        leading_bits = bits.chunk(2)[0]
        d_input = torch.ops.aten.convolution_backward(
            both, leading_bits, weight, None, *geometry, [True, False, False]
        )[0]
        d_weight = torch.ops.aten.convolution_backward(halves, bits, weight, None, *geometry, [False, True, False])[1]
        d_x = d_input.to(x.dtype) * (x.abs() < 1)
        return d_x, d_weight.to(threshold.dtype), -through_gate.sum((0, 2, 3)), None, None


def _through_gate(gradient: Tensor, leading: Tensor, trailing: Tensor, threshold: Tensor) -> Tensor:
    """Return the gradient that the gate passes on to `out_msb`."""
    slope = torch.sigmoid(leading.to(gradient.dtype).mul(2 / 3).sub_(threshold[:, None, None]).mul_(GATE_SLOPE))
    passes = slope >= 0.5
    return (slope - slope.square()).mul_(GATE_SLOPE / 3).mul_(trailing).mul_(gradient).mul_(passes)


def fractional_conv2d(
    x: Tensor, weight: Tensor, threshold: Tensor, stride: int, *, binary: bool
) -> tuple[Tensor, Tensor]:
    """Convolve the two-bit form of x (N, I, H, W) with a weight (C, I, k, k), gated by thresholds (C,).

    Padding is k // 2, with zeros. With `binary` the weight is ±1 and all sums are exact.

    Returns:
        The real-valued output and the gates (bool), both (N, C, H/stride, W/stride).
    """
    out, gate = _FractionalConv.apply(x, weight, threshold, stride, binary)  # type: ignore[no-untyped-call]
    return out, gate
