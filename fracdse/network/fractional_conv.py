"""The fractional (precision-gated) convolution of FracBNN (arXiv 2012.12206), with its gradient rules.

With m, l ∈ {−1, 1} the leading and trailing bit of an activation, M = conv(m, W), L = conv(l, W) and a threshold Δ a
channel:

    out_msb = (2/3)·M        gate = out_msb > Δ        out = gate ? (2·M + L)/3 : (2/3)·M

Both passes share their weights, so they are one convolution of a batch of twice the size. With g the gradient of `out`
and s = sigmoid(5·(out_msb − Δ)), the gate lets t = g·(L/3)·5·s·(1 − s) through where s ≥ 1/2, and with
A = (2/3)·(g + t) and B = g·gate/3 the gradients are

    activations: convT(A + B, W) inside (−1, 1)        weights: conv_w(m, A) + conv_w(l, B)        thresholds: −Σ t

A note on speed: only operations that torch has vectorised kernels for are used, so there are no booleans and no
operands of mixed types in what follows. `threshold_backward(a, b, c)` is a where b > c and 0 elsewhere,
`hardtanh_backward(a, b, …)` is a where b lies inside a range, and `sigmoid_backward(a, s)` is a·s·(1 − s).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.exact_conv import exact_conv2d, working_type

GATE_SLOPE = 5.0
_ops = torch.ops.aten
# Just below 0: `x > _ALMOST_ZERO` is x ≥ 0.
_ALMOST_ZERO = -1e-37


def leading_and_trailing_bits(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the two bits of every activation as ±1, shape (2·N, C, H, W), channels last: leading bits come first.

    The two-bit level is k = round((clamp(x, −1, 1) + 1)·1.5), halves to even, and k = 2·msb + lsb.
    """
    thrice = x.mul(1.5).add_(1.5).clamp_(0, 3).round_().mul_(2).sub_(3).to(dtype)
    bits = torch.empty((2 * x.shape[0], *x.shape[1:]), dtype=dtype, device=x.device, memory_format=torch.channels_last)
    leading, trailing = bits.chunk(2)
    torch.clamp(thrice, -1, 1, out=leading)
    torch.sub(thrice, leading, alpha=2, out=trailing)
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
        limit = gate_limit(threshold, binary)
        leading, trailing = (part.to(x.dtype) for part in sums.chunk(2))
        excess = leading - limit
        out = leading.to(x.dtype, copy=True) if leading.dtype == sums.dtype else leading
        out = out.mul_(2).add_(_ops.threshold_backward(trailing, excess, 0)).div_(3)
        ctx.geometry = stride, padding
        ctx.save_for_backward(x, bits, low_weight, threshold, limit, sums)
        ctx.mark_non_differentiable(excess)
        return out, excess

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, bits, weight, threshold, limit, sums = ctx.saved_tensors
        gradient = gradients[0]
        leading, trailing = (part.to(x.dtype) for part in sums.chunk(2))
        through_gate = _through_gate(gradient, leading, trailing, threshold)
        first = torch.add(gradient, through_gate).mul_(2 / 3)
        second = _ops.threshold_backward(gradient, leading - limit, 0).mul_(1 / 3)
        halves = torch.empty_like(sums, dtype=bits.dtype)
        for half, part in zip(halves.chunk(2), (first, second), strict=True):
            half.copy_(part)
        d_threshold = through_gate.sum((0, 2, 3)).neg_()
        d_bits, d_weight = _convolution_gradients(first.add_(second).to(bits.dtype), halves, bits, weight, ctx.geometry)
        d_x = _ops.hardtanh_backward(d_bits.to(x.dtype), x, -1.0, 1.0)
        return d_x, d_weight.to(x.dtype), d_threshold, None, None


def _through_gate(gradient: Tensor, leading: Tensor, trailing: Tensor, threshold: Tensor) -> Tensor:
    """Return the gradient that the gate passes on to `out_msb`."""
    argument = leading.mul(GATE_SLOPE * 2 / 3).sub_(GATE_SLOPE * threshold[:, None, None])
    passed = _ops.sigmoid_backward(trailing.mul(gradient), argument.sigmoid())
    result: Tensor = _ops.threshold_backward(passed, argument, _ALMOST_ZERO).mul_(GATE_SLOPE / 3)
    return result


def _convolution_gradients(
    d_sum: Tensor, d_halves: Tensor, bits: Tensor, weight: Tensor, geometry: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the activations, from the sum of both passes' gradients, and of the weight."""
    stride, padding = geometry
    settings = ([stride, stride], [padding, padding], [1, 1], False, [0, 0], 1)
    backward = _ops.convolution_backward
    d_bits = backward(d_sum, bits.chunk(2)[0], weight, None, *settings, [True, False, False])[0]
    d_weight = backward(d_halves, bits, weight, None, *settings, [False, True, False])[1]
    return d_bits, d_weight


def fractional_conv2d(
    x: Tensor, weight: Tensor, threshold: Tensor, stride: int, *, binary: bool
) -> tuple[Tensor, Tensor]:
    """Convolve the two-bit form of x (N, I, H, W) with a weight (C, I, k, k), gated by thresholds (C,).

    Padding is k // 2, with zeros. With `binary` the weight is ±1 and all sums are exact.

    Returns:
        The real-valued output, and by how much M exceeds what opens its gate: a gate is open where that is above 0.
        Both have shape (N, C, H/stride, W/stride).
    """
    out, excess = _FractionalConv.apply(x, weight, threshold, stride, binary)  # type: ignore[no-untyped-call]
    return out, excess
