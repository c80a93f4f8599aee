"""Sub-bit kernels (arXiv 2110.09195): a layer's 3×3 sign kernels come from a learned codebook of 2^τ patterns.

Here it limits what training may choose and no more. The paper stores τ-bit indices and shares partial sums; this
accelerator does neither: it stores all nine bits of every kernel, and nothing in it reads `codebook_bits`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fracdse.network.quantisers import sign


class _NearestPattern(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, patterns: Tensor) -> Tensor:
        signs = sign(patterns)
        nearest = (weight.flatten(2).reshape(-1, signs.shape[1]) @ signs.t()).argmax(1)
        ctx.save_for_backward(nearest, patterns)
        return signs[nearest].reshape(weight.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        nearest, patterns = ctx.saved_tensors
        flat = gradients[0].reshape(-1, patterns.shape[1])
        d_patterns = torch.zeros_like(patterns).index_add_(0, nearest, flat)
        return gradients[0], d_patterns * (patterns.abs() <= 1)


class Codebook(nn.Module):
    """Replace every kernel by the nearest of 2^bits sign patterns; both the kernels and the patterns learn."""

    def __init__(self, bits: int, taps: int) -> None:
        super().__init__()
        order = torch.randperm(2**taps)[: 2**bits]
        signs = ((order[:, None] >> torch.arange(taps)) & 1) * 2.0 - 1.0
        self.patterns = nn.Parameter(signs * 0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """Return ±1 kernels of the shape of `weight`, (C, I, k, k)."""
        result: Tensor = _NearestPattern.apply(weight, self.patterns)  # type: ignore[no-untyped-call]
        return result
