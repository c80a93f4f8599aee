"""Cut feature maps into pieces that stay in a processor's cache while several pointwise operations pass over them.

On a CPU a fresh tensor of some megabytes costs more than the arithmetic that fills it. So the fused functions of this
package go over their maps piece by piece, with scratch tensors that they reuse.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_PIECE_ELEMENTS = 1 << 20


def image_pieces(x: Tensor) -> Iterator[slice]:
    """Yield slices of the images of x (N, C, H, W)."""
    return _pieces(x.shape[0], x.shape[0] if x.is_cuda else max(1, _PIECE_ELEMENTS // max(x[0].numel(), 1)))


def pixel_pieces(pixels: Tensor) -> Iterator[slice]:
    """Yield slices of the rows of `pixels` (P, C)."""
    return _pieces(pixels.shape[0], pixels.shape[0] if pixels.is_cuda else _PIECE_ELEMENTS // pixels.shape[1])


def as_pixels(x: Tensor) -> Tensor:
    """Return x (N, C, H, W) as (N·H·W, C); a view where x is stored channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def empty_map(count: int, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return an uninitialised map of `count` images, else of the shape and type of `like`, channels last."""
    return torch.empty(
        (count, *like.shape[1:]),
        dtype=dtype or like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


def _pieces(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, max(size, 1)):
        yield slice(start, min(start + max(size, 1), count))
