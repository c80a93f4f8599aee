"""Normalisation of a channel: batch norms, with scales that may be powers of two, and a plain learned affine map.

Every norm here maps x to scale·(x + before) + shift + after, where `before` and `after` are shifts of the layers around
it: taking them in costs nothing, while adding each by itself is a pass over the whole feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fracdse.network.batch_norm import affine, batch_norm
from fracdse.network.fused.launch import NormAndShifts, can_fuse
from fracdse.network.fused.norm import fused_norm
from fracdse.network.partners import Partners
from fracdse.network.quantisers import power_of_two


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that takes in the shifts around it, and can say what it is once its statistics are folded.

    `partners` are the processes that train on other parts of the same batch; None where there is only this one.
    """

    rounded = False
    partners: Partners | None = None

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,) of evaluation."""
        mean, variance = self._statistics()
        scale = self.weight * torch.rsqrt(variance + self.eps)
        if self.rounded:
            scale = power_of_two(scale)
        return scale, self.bias - mean * scale

    def forward(self, input: Tensor, before: Tensor | None = None, after: Tensor | None = None) -> Tensor:
        """Normalise input + before and add after; input (N, C, H, W), the shifts (C,)."""
        if not self.training:
            return apply_affine(input, *self.folded(), before, after)
        if self.partners is None and can_fuse(input, input.shape[1]):
            return fused_norm(self.with_shifts(before, after), input)
        bias = self.bias if after is None else self.bias + after
        out, mean, variance = batch_norm(
            input, self.weight, bias, self.eps, rounded=self.rounded, partners=self.partners
        )
        # In training a constant before the norm cancels; only the running mean has to know of it.
        self._follow(mean if before is None else mean + before.detach(), variance)
        return out

    def with_shifts(self, before: Tensor | None = None, after: Tensor | None = None) -> NormAndShifts:
        """Return this norm together with the shifts around it."""
        return NormAndShifts(self, self.rounded, before, after)

    def _follow(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        own_mean, own_variance = self._statistics()
        momentum = self.momentum or 0.0
        own_mean.lerp_(mean, momentum)
        own_variance.lerp_(unbiased_variance, momentum)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var


class PowerOfTwoBatchNorm(BatchNorm):
    """Batch norm whose folded scale is rounded to a power of two, so that no multiplier is needed for it.

    The mean and variance of a batch are used in training as in a batch norm; the rounding passes gradients unchanged.
    """

    rounded = True


class ChannelAffine(nn.Module):
    """A learned scale and shift without statistics: what BN-free blocks (arXiv 2104.08215) use."""

    def __init__(self, channels: int, start: float, rounded: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._rounded = rounded

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,)."""
        return power_of_two(self.weight) if self._rounded else self.weight, self.bias

    def forward(self, input: Tensor, before: Tensor | None = None, after: Tensor | None = None) -> Tensor:
        """Return scale·(input + before) + shift + after; input (N, C, H, W), the others (C,)."""
        return apply_affine(input, *self.folded(), before, after)


Norm = BatchNorm | ChannelAffine


def apply_affine(x: Tensor, scale: Tensor, shift: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor:
    """Return scale·(x + before) + shift + after, a channel each."""
    if before is not None:
        shift = shift + scale * before
    if after is not None:
        shift = shift + after
    return affine(x, scale, shift)
