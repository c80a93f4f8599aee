"""Call the C kernels on tensors, with as many threads as torch uses."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fracdse.network.exact_conv import fast_type
from fracdse.network.native.library import load_library

_MAX_CHANNELS = 4096
_ELEMENTS_A_THREAD = 1 << 15
_ROW_ELEMENTS = 256


class Kernels:
    """The kernels of one library. Maps are (N, C, H, W), channels last; (C,) vectors are float32."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def two_bits(self, x: Tensor, leading: Tensor, trailing: Tensor) -> None:
        """Write the two bits of x as ±1 in bfloat16."""
        self._run("two_bits", [x, leading, trailing], x)

    def gate(self, leading: Tensor, trailing: Tensor, limit: Tensor, out: Tensor) -> None:
        """Write (2·M + gate·L)/3."""
        self._run(f"gate_{_width(leading)}", [leading, trailing, _Vector(limit), out], out)

    def gate_backward(
        self,
        gradient: Tensor,
        sums: tuple[Tensor, Tensor],
        vectors: tuple[Tensor, Tensor],
        outs: tuple[Tensor, Tensor, Tensor],
    ) -> Tensor:
        """Write A, B and A + B in bfloat16 for the sums (M, L) and the vectors (limit, Δ); return the gradient of Δ."""
        maps = [gradient, *sums, *map(_Vector, vectors), *outs]
        return self._run(f"gate_backward_{_width(sums[0])}", maps, gradient, totals=1)[0]

    def clip_backward(self, d: Tensor, x: Tensor, d_x: Tensor) -> None:
        """Write the bfloat16 gradient d where x lies inside (−1, 1), and 0 elsewhere."""
        self._run("clip_backward", [d, x, d_x], x)

    def sums(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return Σ x and Σ x·y a channel, in float64."""
        total, product = self._run("sums", [x, y], x, totals=2)
        return total, product

    def blend(self, x: Tensor, y: Tensor, vectors: tuple[Tensor, Tensor, Tensor], out: Tensor) -> None:
        """Write a·x + b·y + constant for the vectors (a, b, constant)."""
        self._run("blend", [x, y, *map(_Vector, vectors), out], x)

    def affine(self, x: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
        """Write scale·x + shift."""
        self._run("affine", [x, _Vector(scale), _Vector(shift), out], x)

    def prelu_onto(self, x: Tensor, slope: Tensor, base: Tensor, factor: float, out: Tensor) -> None:
        """Write base + factor·prelu(x, slope)."""
        self._run("prelu_onto", [x, _Vector(slope), base, factor, out], x)

    def prelu_backward(self, gradient: Tensor, x: Tensor, slope: Tensor, factor: float, d_x: Tensor) -> Tensor:
        """Write the gradient of x; return that of the slope."""
        return self._run("prelu_backward", [gradient, x, _Vector(slope), factor, d_x], x, totals=1)[0]

    def _run(self, name: str, arguments: Sequence[Any], like: Tensor, *, totals: int = 0) -> list[Tensor]:
        """Call a kernel on all pixels; return its `totals` sums over pixels, (C,) in float64."""
        channels = like.shape[1]
        pixels = like.numel() // channels
        a_row = _pixels_a_row(pixels, channels)
        rows, width = pixels // a_row, a_row * channels
        threads = max(1, min(torch.get_num_threads(), like.numel() // _ELEMENTS_A_THREAD))
        results = torch.zeros(totals, threads, width, dtype=torch.float64)
        held = [each.repeated(a_row) if isinstance(each, _Vector) else each for each in arguments]
        pointers = [_argument(each) for each in [*held, *results]]
        getattr(self._library, name)(*pointers, ctypes.c_long(rows), ctypes.c_long(width), ctypes.c_int(threads))
        return list(results.view(totals, threads * a_row, channels).sum(1))


def _pixels_a_row(pixels: int, channels: int) -> int:
    """Return how many pixels a kernel takes as one: with rows of few elements a processor's vectors stay empty."""
    a_row = 1
    while 2 * a_row * channels <= _ROW_ELEMENTS and pixels % (2 * a_row) == 0:
        a_row *= 2
    return a_row


class _Vector:
    """A vector (C,), which every pixel of a row gets."""

    def __init__(self, values: Tensor) -> None:
        self._values = values.detach()

    def repeated(self, times: int) -> Tensor:
        return self._values.flatten().repeat(times)


def _argument(value: Any) -> Any:
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_void_p(value.data_ptr())


def _width(sums: Tensor) -> str:
    return "narrow" if sums.dtype == torch.bfloat16 else "wide"


@cache
def _kernels() -> Kernels | None:
    library = load_library()
    return None if library is None else Kernels(library)


def kernels_for(*maps: Tensor) -> Kernels | None:
    """Return the kernels if they can work on these maps: float32 on a CPU with bfloat16, channels last; else None."""
    for each in maps:
        ready = each.dtype == torch.float32 and each.device.type == "cpu" and each.shape[1] <= _MAX_CHANNELS
        if not ready or not each.is_contiguous(memory_format=torch.channels_last):
            return None
    return _kernels() if fast_type("cpu") == torch.bfloat16 else None
