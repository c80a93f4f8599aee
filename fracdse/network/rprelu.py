"""RPReLU: a PReLU between two learned shifts (ReActNet, arXiv 2003.03488)."""

from __future__ import annotations

import torch
from torch import nn


class RPReLU(nn.Module):
    """The parameters of y = prelu(x + shift_in, slope) + shift_out, one of each a channel.

    The norms on both sides take in the shifts (see `norms`), so that the layer itself only applies the PReLU.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), 0.25))
        self.shift_out = nn.Parameter(torch.zeros(channels))
