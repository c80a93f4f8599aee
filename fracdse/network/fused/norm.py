"""Batch norm in training on a GPU: the formulas of `batch_norm`, in four passes over the map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.fused.launch import MapKernels, NormAndShifts


class _FusedNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, norm: NormAndShifts, x: Tensor, weight: Tensor, bias: Tensor, after: Tensor | None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        kernels = MapKernels(x)
        vectors = kernels.finish_statistics(kernels.norm_sums(x, x), norm)
        y = torch.empty_like(x)
        kernels.affine(x, vectors, y)
        ctx.kernels, ctx.has_after = kernels, after is not None
        ctx.save_for_backward(x, weight, vectors)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, vectors = ctx.saved_tensors
        kernels: MapKernels = ctx.kernels
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        results = kernels.finish_norm_backward(kernels.norm_sums(gradient, x), weight, vectors, sums=2)
        d_x = torch.empty_like(x)
        kernels.blend(gradient, x, results, d_x)
        return None, d_x, results[3], results[4], results[4] if ctx.has_after else None


def fused_norm(norm: NormAndShifts, x: Tensor) -> Tensor:
    """Normalise x (N, C, H, W) by its own statistics, which the norm's running ones follow."""
    own = norm.norm
    y: Tensor = _FusedNorm.apply(norm, x, own.weight, own.bias, norm.after)  # type: ignore[no-untyped-call]
    return y
