"""Normalisation of a channel: batch norms, with scales that may be powers of two, and a plain learned affine map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fracdse.network.quantisers import power_of_two


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that can say what it is once its statistics are folded."""

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,) of evaluation."""
        mean, variance = self._statistics()
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return scale, self.bias - mean * scale

    def _statistics(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var


class PowerOfTwoBatchNorm(BatchNorm):
    """Batch norm whose folded scale is rounded to a power of two, so that no multiplier is needed for it.

    The mean and variance of a batch are used in training as in a batch norm; the rounding passes gradients unchanged.
    """

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale (a power of two) and shift (C,) of evaluation."""
        mean, variance = self._statistics()
        scale = power_of_two(self.weight * torch.rsqrt(variance + self.eps))
        return scale, self.bias - mean * scale

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if self.training:
            variance, mean = torch.var_mean(input, (0, 2, 3), correction=0)
            self._update(mean.detach(), variance.detach(), input.numel() // input.shape[1])
            scale = power_of_two(self.weight * torch.rsqrt(variance + self.eps))
            shift = self.bias - mean * scale
        else:
            scale, shift = self.folded()
        return torch.addcmul(shift[:, None, None], input, scale[:, None, None])

    def _update(self, mean: Tensor, variance: Tensor, count: int) -> None:
        own_mean, own_variance = self._statistics()
        own_mean.lerp_(mean, self.momentum or 0.0)
        own_variance.lerp_(variance * (count / max(count - 1, 1)), self.momentum or 0.0)


class ChannelAffine(nn.Module):
    """y = scale·x + shift, both learned, with no statistics: what BN-free blocks use instead of a batch norm."""

    def __init__(self, channels: int, start: float, rounded: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._rounded = rounded

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,)."""
        return power_of_two(self.weight) if self._rounded else self.weight, self.bias

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W)."""
        scale, shift = self.folded()
        return torch.addcmul(shift[:, None, None], input, scale[:, None, None])


Norm = BatchNorm | ChannelAffine
