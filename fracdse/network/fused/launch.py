"""Launch the fused kernels on tensors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

_TILE_ELEMENTS = 4096
_MAX_CHANNELS = 1024
_MAX_ELEMENTS = 2**29  # offsets are 32-bit numbers


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def can_fuse(x: Tensor, channels: int = 1) -> bool:
    """Tell whether work on x, or on maps of `channels` channels, can be fused: float32 on a GPU, with Triton.

    Triton's interpreter, which tests use, stands for a GPU.
    """
    on_gpu = x.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"
    fits = channels <= _MAX_CHANNELS and x.numel() <= _MAX_ELEMENTS
    return on_gpu and x.dtype == torch.float32 and fits and _has_triton()


def pixel_tile(channels: int) -> dict[str, int]:
    """Return what a program of a pointwise kernel works on: so many whole pixels of so many channels."""
    width = 1 << (channels - 1).bit_length()
    return {"CHANNELS": channels, "WIDTH": width, "ROWS": max(1, _TILE_ELEMENTS // width)}


@dataclass(frozen=True)
class NormAndShifts:
    """A batch norm, whether its scale is a power of two, and the shifts that it takes in before and after itself."""

    norm: nn.BatchNorm2d
    rounded: bool
    before: Tensor | None = None
    after: Tensor | None = None


class MapKernels:
    """The kernels for maps (N, C, H, W) of one shape, channels last; what each computes is in `kernels`.

    `sums` are those of both passes, (2·N, C, H, W), or of the plain convolution; vectors are (C,).
    """

    def __init__(self, like: Tensor, *, gated: bool = False, binary: bool = False, clip: int = 0) -> None:
        from fracdse.network.fused import kernels

        self._kernels = kernels
        self._channels = like.shape[1]
        self._elements = like.numel()
        self._pixels = self._elements // self._channels
        self._device = like.device
        self._flags = {"GATED": gated, "BINARY": binary, "CLIP": clip}
        self._size = pixel_tile(self._channels)
        self._programs = -(-self._pixels // self._size["ROWS"])

    def onto_base(
        self, sums: Tensor, threshold: Tensor, norm: Tensor, slope: Tensor, base: Tensor, total: Tensor
    ) -> Tensor:
        """Write `total`; return the sums of it and its square."""
        return self._over_sums(self._kernels.onto_base, sums, threshold, norm, slope, base, total, sums_left=2)

    def affine(self, x: Tensor, norm: Tensor, y: Tensor) -> None:
        """Write scale·x + shift."""
        self._kernels.affine[(self._programs,)](x, norm, y, self._pixels, **self._size)

    def norm_sums(self, gradient: Tensor, x: Tensor) -> Tensor:
        """Return the sums of g and g·x."""
        partial = self._vectors(2 * self._programs)
        self._kernels.norm_sums[(self._programs,)](gradient, x, partial, self._pixels, **self._size)
        return partial

    def blend(self, gradient: Tensor, x: Tensor, results: Tensor, d_x: Tensor) -> None:
        """Write the gradient of a batch norm's input from the results of `finish_norm_backward`."""
        self._kernels.blend[(self._programs,)](gradient, x, results, d_x, self._pixels, **self._size)

    def onto_base_backward(self, *arguments: Any) -> Tensor:
        """Write d_total for (sums, threshold, norm, slope, g, total, results of norm_out, d_total); return sums."""
        return self._over_sums(self._kernels.onto_base_backward, *arguments, sums_left=3)

    def convolved_backward(self, *arguments: Any) -> Tensor:
        """Write A, B and A + B for (sums, threshold, norm, slope, d_total, results of norm, parts, both).

        Returns:
            The gradient of the threshold, a row a program.
        """
        return self._over_sums(self._kernels.convolved_backward, *arguments, sums_left=1)

    def finish_statistics(self, partial: Tensor, norm: NormAndShifts) -> Tensor:
        """Return scale, shift, mean and 1/σ (4, C) of a batch norm from the sums; follow its running statistics."""
        vectors, own, running = self._vectors(4), norm.norm, (norm.norm.running_mean, norm.norm.running_var)
        arguments = (*_parameters(norm, partial), *running, own.momentum, own.eps, vectors)
        self._finish(self._kernels.finish_statistics, partial, 2, *arguments, **_flags(norm))
        return vectors

    def folded(self, norm: NormAndShifts) -> Tensor:
        """Return scale and shift of a batch norm in evaluation, the first rows of (4, C)."""
        vectors, own, width = self._vectors(4), norm.norm, self._size["WIDTH"]
        arguments = (*_parameters(norm, vectors), own.running_mean, own.running_var, own.eps, vectors)
        self._kernels.fold_statistics[(1,)](*arguments, CHANNELS=self._channels, WIDTH=width, **_flags(norm))
        return vectors

    def finish_norm_backward(self, partial: Tensor, weight: Tensor, norm: Tensor, *, sums: int) -> Tensor:
        """Return (6, C): what d_x is made of (three rows), d_weight, d_bias, and the third sum."""
        results = self._vectors(6)
        self._finish(self._kernels.finish_norm_backward, partial, sums, weight, norm, results, COUNT=sums)
        return results

    def _over_sums(self, kernel: Any, sums: Tensor, threshold: Tensor, *arguments: Any, sums_left: int) -> Tensor:
        partial = self._vectors(sums_left * self._programs)
        given = (sums, threshold, self._elements, *arguments, partial, self._pixels)
        kernel[(self._programs,)](*given, **self._flags, **self._size)
        return partial

    def _finish(self, kernel: Any, partial: Tensor, sums: int, *arguments: Any, **flags: Any) -> None:
        programs, count = len(partial) // sums, float(self._pixels)
        kernel[(self._channels,)](partial, programs, count, *arguments, CHANNELS=self._channels, **flags)

    def _vectors(self, count: int) -> Tensor:
        return torch.empty(count, self._channels, device=self._device)


def _parameters(norm: NormAndShifts, placeholder: Tensor) -> tuple[Tensor, ...]:
    shifts = (placeholder if each is None else each for each in (norm.after, norm.before))
    return norm.norm.weight, norm.norm.bias, *shifts


def _flags(norm: NormAndShifts) -> dict[str, bool]:
    return {"ROUNDED": norm.rounded, "AFTER": norm.after is not None, "BEFORE": norm.before is not None}
