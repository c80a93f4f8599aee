"""Normalisation of a channel: batch norms, with scales that may be powers of two, and a plain learned affine map.

Every norm here maps x to scale·(x + before) + shift + after, where `before` and `after` are shifts of the layers around
it: taking them in costs nothing, while adding each by itself is a pass over the whole feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fracdse.network.quantisers import power_of_two


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that takes in the shifts around it, and can say what it is once its statistics are folded."""

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,) of evaluation."""
        mean, variance = self._statistics()
        scale = self._scale(variance)
        return scale, self.bias - mean * scale

    def forward(self, input: Tensor, before: Tensor | None = None, after: Tensor | None = None) -> Tensor:
        """Normalise input + before and add after; input (N, C, H, W), the shifts (C,)."""
        if not self.training:
            return apply_affine(input, *self.folded(), before, after)
        mean, _ = self._statistics()
        bias = self.bias if after is None else self.bias + after
        if before is not None:
            # In training a constant before the norm cancels. Only the running mean has to know of it: after its update
            # to (1 − m)·mean + m·batch, this leaves m·before more in it.
            momentum = self.momentum or 0.0
            mean.add_(before.detach(), alpha=momentum / (1 - momentum))
        return self._normalise(input, bias)

    def _normalise(self, input: Tensor, bias: Tensor) -> Tensor:
        mean, variance = self._statistics()
        momentum = self.momentum or 0.0
        return nn.functional.batch_norm(input, mean, variance, self.weight, bias, True, momentum, self.eps)

    def _scale(self, variance: Tensor) -> Tensor:
        return self.weight * torch.rsqrt(variance + self.eps)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var


class PowerOfTwoBatchNorm(BatchNorm):
    """Batch norm whose folded scale is rounded to a power of two, so that no multiplier is needed for it.

    The mean and variance of a batch are used in training as in a batch norm; the rounding passes gradients unchanged.
    """

    def _scale(self, variance: Tensor) -> Tensor:
        return power_of_two(super()._scale(variance))

    def _normalise(self, input: Tensor, bias: Tensor) -> Tensor:
        own_mean, own_variance = self._statistics()
        mean = input.mean((0, 2, 3))
        variance = (input.square().mean((0, 2, 3)) - mean.square()).clamp_min(0.0)
        count = input.numel() // input.shape[1]
        momentum = self.momentum or 0.0
        own_mean.lerp_(mean.detach(), momentum)
        own_variance.lerp_(variance.detach() * (count / max(count - 1, 1)), momentum)
        scale = self._scale(variance)
        return apply_affine(input, scale, bias - mean * scale, None, None)


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
    return torch.addcmul(shift[:, None, None], x, scale[:, None, None])
