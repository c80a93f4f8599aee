"""Fixed point on a GPU: the quantisers of `quantisers` and the ranges of `si_shortcut`, each in one or two kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_BLOCK = 2048


def covering_step(x: Tensor, bits: int, followed: Tensor | None = None, speed: float = 0.0) -> Tensor:
    """Return the smallest power-of-two step with which signed `bits` cover x, a scalar.

    With `followed`, a scalar that is moved towards x's largest magnitude by a share `speed`, or set if it is 0, they
    cover that instead.
    """
    from fracdse.network.fused import kernels

    x = _dense(x.detach())
    programs = -(-x.numel() // _BLOCK)
    partial, step = x.new_empty(programs), x.new_empty(())
    kernels.largest_magnitude[(programs,)](x, partial, x.numel(), BLOCK=_BLOCK)
    flags = {"HIGHEST": 2 ** (bits - 1) - 1, "FOLLOW": followed is not None}
    kernels.finish_range[(1,)](partial, programs, step if followed is None else followed, step, speed, **flags)
    return step


def to_grid(x: Tensor, step: Tensor, bits: int) -> Tensor:
    """Return clamp(⌊x / step + ½⌋)·step."""
    x = _dense(x)
    return _over("fixed_point", bits, x, step)


def to_grid_backward(gradient: Tensor, x: Tensor, step: Tensor, bits: int) -> Tensor:
    """Return the gradient where nothing was clamped."""
    x = _dense(x)
    gradient = gradient.contiguous(memory_format=_format(x))
    return _over("fixed_point_backward", bits, gradient, x, step)


def _over(name: str, bits: int, like: Tensor, *arguments: Any) -> Tensor:
    from fracdse.network.fused import kernels

    result = torch.empty_like(like)
    levels = {"LOWEST": -(2 ** (bits - 1)), "HIGHEST": 2 ** (bits - 1) - 1}
    grid = (-(-like.numel() // _BLOCK),)
    getattr(kernels, name)[grid](like, *arguments, result, like.numel(), BLOCK=_BLOCK, **levels)
    return result


def _format(x: Tensor) -> torch.memory_format:
    maps = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if maps else torch.contiguous_format


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=_format(x))
