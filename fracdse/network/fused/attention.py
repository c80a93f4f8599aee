"""The distance of two attention maps as one function with its own gradient, on a GPU.

    a = p / max(p)        p = mean over channels of x²        distance = mean (a − a of the target)²

with the maximum over an image's pixels, and the mean over all pixels of all images.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fracdse.network.fused.launch import can_fuse, pixel_tile

_MOST_PIXELS = 4096  # of an image: one program holds all of them


def can_fuse_attention(x: Tensor, target: Tensor) -> bool:
    """Tell whether `fused_attention_distance` takes these maps."""
    pixels = x.shape[2] * x.shape[3]
    return (
        pixels <= _MOST_PIXELS
        and not target.requires_grad
        and all(can_fuse(each, each.shape[1]) for each in (x, target))
    )


class _AttentionDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        from fracdse.network.fused import attention_kernels

        x, target = (each.contiguous(memory_format=torch.channels_last) for each in (x, target))
        power, wanted = (_channel_power(each) for each in (x, target))
        images, _, height, width = x.shape
        ctx.size = {"PIXELS": height * width, "BLOCK": 1 << (height * width - 1).bit_length()}
        distance = x.new_empty(images)
        attention_kernels.map_distance[(images,)](power, wanted, distance, **ctx.size)
        ctx.save_for_backward(x, power, wanted)
        return distance.sum() / (images * height * width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        from fracdse.network.fused import attention_kernels

        x, power, wanted = ctx.saved_tensors
        d_power, d_x = torch.empty_like(power), torch.empty_like(x)
        arguments = (gradients[0], power, wanted, d_power, 1 / len(power))
        attention_kernels.map_distance_backward[(len(x),)](*arguments, **ctx.size)
        size = pixel_tile(x.shape[1])
        grid = (-(-len(power) // size["ROWS"]),)
        attention_kernels.channel_power_backward[grid](x, d_power, d_x, len(power), **size)
        return d_x, None


def fused_attention_distance(x: Tensor, target: Tensor) -> Tensor:
    """Return the distance of x (N, C, H, W) from a target (N, any, H, W)."""
    distance: Tensor = _AttentionDistance.apply(x, target)  # type: ignore[no-untyped-call]
    return distance


def _channel_power(x: Tensor) -> Tensor:
    """Return p (N·H·W,)."""
    from fracdse.network.fused import attention_kernels

    pixels, size = x.numel() // x.shape[1], pixel_tile(x.shape[1])
    power = x.new_empty(pixels)
    attention_kernels.channel_power[(-(-pixels // size["ROWS"]),)](x, power, pixels, **size)
    return power
