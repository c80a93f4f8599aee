"""Launch the convolution kernels on tensors; what each computes is in `conv_kernels`."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from fracdse.network.chunks import empty_map

_LARGEST_BLOCK = 64
_FLAT_BLOCK = 2048
_SMALLEST_BLOCK = 16  # of what a matrix unit multiplies
_MOST_SPLITS = 88  # of the pixels in a weight's gradient; with three rows of taps two programs a multiprocessor
# Elements of a tile, and loads that are under way at a time: what was fastest on an H200.
_TILES = {"convolve": 4096, "input_gradient": 4096, "weight_gradient": 2048, "stem": 4096}
_STAGES = {"convolve": 1, "input_gradient": 1, "weight_gradient": 1, "stem": 1}


class Convolution:
    """The convolutions of a layer for one shape of maps.

    Args:
        x: The input (N, I, H, W), channels last.
        weight: (C, I, k, k), in any layout.
        stride: Of the layer; padding is k // 2.
        gated: Convolve both bits of x, or x itself.
        binary: The sums are integers.
        clip: Clamp `out` to −clip/3…(clip − 1)/3; 0 does not.
        signed: Take the signs of the weight; else it is used as it is, rounded to bfloat16.
    """

    def __init__(
        self,
        x: Tensor,
        weight: Tensor,
        stride: int,
        *,
        gated: bool = False,
        binary: bool = False,
        signed: bool = False,
        clip: int = 0,
    ) -> None:
        from fracdse.network.fused import conv_kernels

        self._kernels = conv_kernels
        images, ins, height, width = x.shape
        outs, _, kernel, _ = weight.shape
        out_height, out_width = (-(-size // stride) for size in (height, width))
        self._in_pixels, self._out_pixels = images * height * width, images * out_height * out_width
        self._half = self._out_pixels * outs
        self._out_shape = (images, outs, out_height, out_width)
        self._gated, self._binary, self._signed, self._clip = gated, binary, signed, clip
        self._sums_type = torch.int16 if binary else torch.bfloat16
        self._in_block, self._out_block = block(ins), block(outs)
        self._geometry: dict[str, Any] = {
            "KERNEL": kernel,
            "STRIDE": stride,
            "HEIGHT": height,
            "WIDTH": width,
            "OUT_HEIGHT": out_height,
            "OUT_WIDTH": out_width,
            "INS": ins,
            "OUTS": outs,
            "IN_BLOCK": self._in_block,
            "OUT_BLOCK": self._out_block,
            "LOW": low_type(),
        }

    def levels(self, x: Tensor) -> Tensor:
        """Return what is convolved: both bits of x, (2·N, …), or x."""
        if not self._gated:
            return x
        bits = empty_map(2 * len(x), x, torch.bfloat16)
        grid = (-(-x.numel() // _FLAT_BLOCK),)
        self._kernels.two_bits[grid](x, bits, x.numel(), BLOCK=_FLAT_BLOCK)
        return bits

    def sums(self, levels: Tensor, weight: Tensor, threshold: Tensor, *, statistics: bool) -> tuple[Tensor, Tensor]:
        """Return the sums of both passes, (2·N, …), or of the plain convolution, and the sums of `out` and its square.

        The latter are a row a program, and empty without `statistics`.
        """
        images, *rest = self._out_shape
        shape = (2 * images if self._gated else images, *rest)
        like = levels.device
        sums = torch.empty(shape, dtype=self._sums_type, device=like, memory_format=torch.channels_last)
        size = self._size("convolve")
        grid = (-(-self._out_pixels // size["ROWS"]), -(-rest[0] // self._out_block))
        partial = torch.empty(2 * grid[0] if statistics else 0, rest[0], device=like)
        flags = {"GATED": self._gated, "BINARY": self._binary, "CLIP": self._clip}
        flags |= {"SIGNED": self._signed, "STATISTICS": statistics}
        arguments = (levels, self._second(levels), weight, threshold, sums, partial, self._out_pixels, self._half)
        self._kernels.convolve[grid](*arguments, **flags, **size, **_layout(weight))
        return sums, partial

    def input_gradient(self, d_sums: Tensor, weight: Tensor, x: Tensor, d_total: Tensor, *, identity: bool) -> Tensor:
        """Return the gradient of x from the sum of the gradients of both passes' sums; see the kernel."""
        d_x = torch.empty_like(x)
        flags = {"CLIPPED": self._gated, "IDENTITY": identity, "SIGNED": self._signed}
        size = self._size("input_gradient")
        grid = (-(-self._in_pixels // size["ROWS"]), -(-size["INS"] // self._in_block))
        arguments = (d_sums, weight, x, d_total, d_x, self._in_pixels)
        self._kernels.input_gradient[grid](*arguments, **flags, **size, **_layout(weight))
        return d_x

    def weight_gradient(self, levels: Tensor, parts: Tensor, weight: Tensor) -> Tensor:
        """Return the gradient of the weight from those of both passes' sums, (2·N, …), or of the plain sums."""
        size = self._size("weight_gradient")
        kernel, ins, outs = size["KERNEL"], size["INS"], size["OUTS"]
        tiles = -(-self._out_pixels // size["ROWS"])
        splits = min(tiles, _MOST_SPLITS)
        blocks = -(-ins // self._in_block) * -(-outs // self._out_block)
        partial = torch.empty(splits * kernel * kernel * ins * outs, device=levels.device)
        arguments = (levels, self._second(levels), parts, partial, self._out_pixels, self._half, splits)
        self._kernels.weight_gradient[(splits, kernel, blocks)](*arguments, GATED=self._gated, **size)
        return finished_weight_gradient(partial, splits, weight, signed=self._signed)

    def _second(self, levels: Tensor) -> Tensor:
        return levels[len(levels) // 2 :] if self._gated else levels

    def _size(self, kernel: str) -> dict[str, Any]:
        rows = _TILES[kernel] // max(self._in_block, self._out_block)
        return {**self._geometry, "ROWS": rows, "num_stages": _STAGES[kernel]}


def finished_weight_gradient(partial: Tensor, splits: int, weight: Tensor, *, signed: bool) -> Tensor:
    """Return the gradient of a weight from those of every split, in the weight's layout."""
    from fracdse.network.fused import conv_kernels

    outs, ins, kernel, _ = weight.shape
    d_weight = torch.empty_like(weight)
    sizes = {"TAPS": kernel * kernel, "INS": ins, "OUTS": outs, "SIGNED": signed, "BLOCK": _LARGEST_BLOCK}
    grid = (-(-weight.numel() // _LARGEST_BLOCK),)
    conv_kernels.finish_weight_gradient[grid](partial, splits, weight, d_weight, **sizes, **_layout(weight))
    return d_weight


class _Stem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, counts: Tensor, weight: Tensor, stride: int, signed: bool) -> Tensor:
        from fracdse.network.fused import conv_kernels

        images = images.contiguous(memory_format=torch.channels_last)
        number, colours, height, width = images.shape
        outs, ins, kernel, _ = weight.shape
        out_height, out_width = (-(-size // stride) for size in (height, width))
        level_block, out_block = 1 << max((ins // colours - 1).bit_length(), 4), block(outs)
        size = {
            "COLOURS": colours,
            "LEVELS": ins // colours,
            "LEVEL_BLOCK": level_block,
            "KERNEL": kernel,
            "STRIDE": stride,
            "HEIGHT": height,
            "WIDTH": width,
            "OUT_HEIGHT": out_height,
            "OUT_WIDTH": out_width,
            "OUTS": outs,
            "OUT_BLOCK": out_block,
            "ROWS": min(128, _TILES["stem"] // level_block),
            "LOW": low_type(),
            "num_stages": _STAGES["stem"],
        }
        pixels = number * out_height * out_width
        shape = (number, outs, out_height, out_width)
        out = torch.empty(shape, device=images.device, memory_format=torch.channels_last)
        grid = (-(-pixels // size["ROWS"]), -(-outs // out_block))
        conv_kernels.stem[grid](images, counts, weight, out, pixels, SIGNED=signed, **size, **_layout(weight))
        ctx.size, ctx.pixels, ctx.signed = size, pixels, signed
        ctx.save_for_backward(images, counts, weight)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, None, None]:
        from fracdse.network.fused import conv_kernels

        images, counts, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        size, taps = ctx.size, weight.shape[-1] ** 2
        splits = min(-(-ctx.pixels // size["ROWS"]), _MOST_SPLITS)
        partial = torch.empty(splits * weight.numel(), device=weight.device)
        grid = (splits, taps, -(-size["OUTS"] // size["OUT_BLOCK"]))
        conv_kernels.stem_weight_gradient[grid](images, counts, gradient, partial, ctx.pixels, splits, **size)
        return None, None, finished_weight_gradient(partial, splits, weight, signed=ctx.signed), None, None


def fused_stem(images: Tensor, counts: Tensor, weight: Tensor, stride: int, *, signed: bool) -> Tensor:
    """Convolve the thermometer levels of uint8 images (N, colours, H, W) with a weight (C, colours·levels, k, k).

    `counts` (256,) int32 says how many levels of a pixel value are +1. Padding is k // 2.
    """
    out: Tensor = _Stem.apply(images, counts, weight, stride, signed)  # type: ignore[no-untyped-call]
    return out


def low_type() -> Any:
    """Return Triton's type of what is multiplied: bfloat16, which its interpreter cannot multiply."""
    from triton import language

    return language.float32 if os.environ.get("TRITON_INTERPRET") == "1" else language.bfloat16


def block(channels: int) -> int:
    """Return how many of some channels a program works on at a time."""
    return min(max(1 << (channels - 1).bit_length(), _SMALLEST_BLOCK), _LARGEST_BLOCK)


def _layout(weight: Tensor) -> dict[str, int]:
    outs, ins, _, tap = weight.stride()
    return {"W_OUT": outs, "W_IN": ins, "W_TAP": tap}
