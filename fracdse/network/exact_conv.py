"""Convolutions of small integers that are exact in bfloat16: fast where the processor has it, equal everywhere.

Products of ±1 are exact in bfloat16 and are summed in float32; only the rounding of the result to bfloat16's eight
significant bits could lose something. Integers up to 256, and even ones up to 512, have an exact form; so input
channels are cut into groups whose sums stay below that, and the groups' results are added in float32.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

_MOST_GROUPS = 4


@cache
def fast_type(device_type: str) -> torch.dtype:
    """Return the type to compute in on a kind of device: bfloat16 where it is quick, else float32."""
    if device_type == "cuda":
        return torch.bfloat16
    quick = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if quick else torch.float32


def working_type(like: Tensor) -> torch.dtype:
    """Return the type for exact convolutions beside `like`: its own if it is float64, else the device's quick one."""
    return torch.float64 if like.dtype == torch.float64 else fast_type(like.device.type)


def exact_groups(in_channels: int, kernel: int) -> int:
    """Return into how many groups of input channels a convolution is cut so that bfloat16 holds each group's sum."""
    for groups in range(1, in_channels):
        share = in_channels // groups
        limit = 512 if share % 2 == 0 else 256
        if in_channels % groups == 0 and share * kernel * kernel <= limit:
            return groups
    return in_channels


def exact_conv2d(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve ±1 levels (N, I, H, W) with ±1 weights (C, I, k, k).

    Zero padding adds 0. `x` is of `working_type`; the integers returned are exact, in that type or float32, channels
    last.
    """
    groups = exact_groups(weight.shape[1], weight.shape[2]) if x.dtype == torch.bfloat16 else 1
    if groups > _MOST_GROUPS:
        x, weight, groups = x.float(), weight.float(), 1
    parts = zip(x.chunk(groups, 1), weight.chunk(groups, 1), strict=True)
    results = (conv2d(part, share, stride=stride, padding=padding) for part, share in parts)
    total = next(results).contiguous(memory_format=torch.channels_last)
    for result in results:
        total = total.float().add_(result)
    return total
