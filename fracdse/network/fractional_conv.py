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

from fracdse.network.chunks import as_pixels, empty_map, image_pieces
from fracdse.network.exact_conv import exact_conv2d, working_type
from fracdse.network.native import kernels_for

GATE_SLOPE = 5.0
_ops = torch.ops.aten
# Just below 0: `x > _ALMOST_ZERO` is x ≥ 0.
_ALMOST_ZERO = -1e-37


def leading_and_trailing_bits(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the two bits of every activation as ±1, shape (2·N, C, H, W), channels last: leading bits come first.

    The two-bit level is k = round((clamp(x, −1, 1) + 1)·1.5), halves to even, and k = 2·msb + lsb.
    """
    bits = empty_map(2 * x.shape[0], x, dtype)
    first, second = bits.chunk(2)
    kernels = kernels_for(x) if dtype == torch.bfloat16 else None
    if kernels is not None:
        kernels.two_bits(x, first, second)
        return bits
    thrice = x.mul(1.5).add_(1.5).clamp_(0, 3).round_().mul_(2).sub_(3)
    leading = thrice.clamp(-1, 1)
    first.copy_(leading)
    second.copy_(thrice.sub_(leading, alpha=2))
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
        ctx: Any, x: Tensor, weight: Tensor, threshold: Tensor, stride: int, binary: bool, keep_gates: bool
    ) -> tuple[Tensor, Tensor]:
        dtype, padding = working_type(x), weight.shape[-1] // 2
        x = x.contiguous(memory_format=torch.channels_last)
        low_weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        limit = gate_limit(threshold, binary)
        wanted = any(ctx.needs_input_grad)
        out = _output_map(x, weight, stride)
        gates: list[Tensor] = []
        kept: list[Tensor] = []
        for piece in image_pieces(x):
            bits = leading_and_trailing_bits(x[piece], dtype)
            sums = exact_conv2d(bits, low_weight, stride, padding)
            _gate_into(out[piece], sums, limit)
            if keep_gates:
                gates.append(sums.chunk(2)[0].to(x.dtype) > limit)
            if wanted:
                kept += [bits, sums]
        gate = torch.cat(gates) if keep_gates else x.new_empty(0, dtype=torch.bool)
        ctx.geometry = stride, padding
        ctx.save_for_backward(x, low_weight, threshold, limit, *kept)
        ctx.mark_non_differentiable(gate)
        return out, gate

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        x, weight, threshold, limit, *kept = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        d_x = torch.empty_like(x)
        d_weight = torch.zeros_like(weight, dtype=x.dtype)
        d_threshold = torch.zeros_like(threshold)
        for piece, bits, sums in zip(image_pieces(x), kept[::2], kept[1::2], strict=True):
            both, halves, d_piece_threshold = _gradients_of_sums(gradient[piece], sums, threshold, limit, bits.dtype)
            d_threshold += d_piece_threshold
            d_bits, d_piece = _convolution_gradients(both, halves, bits, weight, ctx.geometry)
            d_weight += d_piece
            _clip_gradient(d_bits, x[piece], d_x[piece])
        return d_x, d_weight, d_threshold, None, None, None


def _output_map(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    height, width = (-(-size // stride) for size in x.shape[2:])
    shape = (x.shape[0], weight.shape[0], height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _gate_into(out: Tensor, sums: Tensor, limit: Tensor) -> None:
    """Write (2·M + gate·L)/3 into `out` for the sums of both passes, (2·N, C, H, W)."""
    first, second = sums.chunk(2)
    kernels = kernels_for(out)
    if kernels is not None:
        kernels.gate(first, second, limit, out)
        return
    leading, trailing = out.copy_(first), second.to(out.dtype, copy=True)
    excess = leading - limit
    _ops.threshold_backward.grad_input(trailing, excess, 0, grad_input=trailing)
    leading.mul_(2 / 3).add_(trailing, alpha=1 / 3)


def _gradients_of_sums(
    gradient: Tensor, sums: Tensor, threshold: Tensor, limit: Tensor, low_type: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return A + B (N, …), A and B one after the other (2·N, …), and −Σ t (C,); see the top of this file."""
    halves = empty_map(2 * len(gradient), gradient, low_type)
    half_a, half_b = halves.chunk(2)
    kernels = kernels_for(gradient)
    if kernels is not None:
        both = torch.empty_like(half_a)
        parts = sums.chunk(2)
        d_threshold = kernels.gate_backward(gradient, (parts[0], parts[1]), (limit, threshold), (half_a, half_b, both))
        return both, halves, d_threshold.to(gradient.dtype)
    leading, trailing = (part.to(gradient.dtype, copy=True) for part in sums.chunk(2))
    argument = torch.mul(leading, GATE_SLOPE * 2 / 3).sub_(GATE_SLOPE * threshold[:, None, None])
    slope = argument.sigmoid()
    through = trailing.mul_(gradient)
    _ops.sigmoid_backward.grad_input(through, slope, grad_input=through)
    _ops.threshold_backward.grad_input(through, argument, _ALMOST_ZERO, grad_input=through)
    through.mul_(GATE_SLOPE / 3)
    first = torch.add(gradient, through, out=slope).mul_(2 / 3)
    opened = leading.sub_(limit)
    second = _ops.threshold_backward.grad_input(gradient, opened, 0, grad_input=opened).mul_(1 / 3)
    half_a.copy_(first)
    half_b.copy_(second)
    return first.add_(second).to(low_type), halves, -as_pixels(through).sum(0)


def _clip_gradient(gradient: Tensor, x: Tensor, out: Tensor) -> None:
    """Write the gradient of a clamp to [−1, 1]."""
    kernels = kernels_for(x, out) if gradient.dtype == torch.bfloat16 else None
    if kernels is not None:
        kernels.clip_backward(gradient.contiguous(memory_format=torch.channels_last), x, out)
        return
    out.copy_(gradient)
    _ops.hardtanh_backward.grad_input(out, x, -1.0, 1.0, grad_input=out)


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
    x: Tensor, weight: Tensor, threshold: Tensor, stride: int, *, binary: bool, keep_gates: bool = False
) -> tuple[Tensor, Tensor]:
    """Convolve the two-bit form of x (N, I, H, W) with a weight (C, I, k, k), gated by thresholds (C,).

    Padding is k // 2, with zeros. With `binary` the weight is ±1 and all sums are exact.

    Returns:
        The real-valued output (N, C, H/stride, W/stride) and, with `keep_gates`, the gates (bool) of the same shape;
        else an empty tensor.
    """
    out, gate = _FractionalConv.apply(x, weight, threshold, stride, binary, keep_gates)  # type: ignore[no-untyped-call]
    return out, gate
