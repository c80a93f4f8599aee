"""Thermometer encoding: what turns 8-bit pixels into ±1 levels, the input of a binary first layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def thermometer_table(resolution: int) -> Tensor:
    """Return the levels of every pixel value, shape (256, levels), ±1 in float32.

    With b = round(255 / resolution) levels a colour, level i of pixel p is +1 where i < round(p / resolution), halves
    rounded to even, and −1 elsewhere (FracBNN, arXiv 2012.12206, as in its released code).
    """
    levels = round(255 / resolution)
    count = np.rint(np.arange(256) / resolution)
    return torch.from_numpy(np.where(np.arange(levels) < count[:, None], 1.0, -1.0).astype(np.float32))


class Thermometer(nn.Module):
    """Encode uint8 images (N, colours, H, W) as ±1 of shape (N, colours·levels, H, W), channel colour·levels + level.

    The result is stored channels last.
    """

    table: Tensor
    counts: Tensor  # how many levels of a pixel value are +1

    def __init__(self, resolution: int) -> None:
        super().__init__()
        table = thermometer_table(resolution)
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("counts", (table > 0).sum(1, dtype=torch.int32), persistent=False)

    def forward(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the levels in `dtype`."""
        pixels = images.permute(0, 2, 3, 1).int()
        levels = nn.functional.embedding(pixels, self.table.to(dtype)).flatten(3)
        return levels.permute(0, 3, 1, 2)
