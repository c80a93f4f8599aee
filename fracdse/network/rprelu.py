"""RPReLU: a PReLU between two learned shifts (ReActNet, arXiv 2003.03488)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RPReLU(nn.Module):
    """y = prelu(x + shift_in, slope) + shift_out, a slope and two shifts a channel, for x of shape (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_out = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        """Return the activation; `slope` is this module's own, or a rounded form of it."""
        shifted = x + self.shift_in[:, None, None]
        return nn.functional.prelu(shifted, slope) + self.shift_out[:, None, None]
