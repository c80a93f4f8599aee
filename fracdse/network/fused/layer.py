"""A gated layer in training as one function with its own gradient, on a GPU.

With out = (2·M + gate·L)/3 of the two convolutions (`fractional_conv`), or the plain convolution of a float layer:

    h = norm(out) + shift_in        total = base + prelu(h)        y = norm_out(total)

Forward: the bits of x, the convolutions with the statistics of `out`, `total` with its statistics, and y: four passes.
`out` and h are never stored; whatever needs them computes them from M and L again, because a GPU waits for memory, not
for arithmetic. The formulas of the batch norms are those of `batch_norm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fracdse.network.chunks import empty_map
from fracdse.network.fused.convolutions import Convolution
from fracdse.network.fused.launch import MapKernels, NormAndShifts


@dataclass(frozen=True)
class FusedSettings:
    """What a layer computes, beside its tensors.

    clip: `out` is clamped to −clip/3…(clip − 1)/3; 0 leaves it.
    gated: the two-bit convolution with gates, or the plain one of a float layer.
    binary: weights are ±1, so sums are integers.
    signed: the weight is real and its signs are used, with the gradient of `sign_weight`.
    identity: `base` is x itself.
    norm, norm_out: the batch norms with the shifts around them; in training their running statistics are followed.
    """

    stride: int
    clip: int
    gated: bool
    binary: bool
    signed: bool
    identity: bool
    norm: NormAndShifts
    norm_out: NormAndShifts

    def convolution(self, x: Tensor, weight: Tensor) -> Convolution:
        """Return the convolutions for an input and a weight."""
        flags = {"gated": self.gated, "binary": self.binary, "signed": self.signed}
        return Convolution(x, weight, self.stride, clip=self.clip, **flags)


class _FusedLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        settings: FusedSettings,
        x: Tensor,
        base: Tensor,
        weight: Tensor,
        threshold: Tensor,
        slope: Tensor,
        *norm_parameters: Tensor,
    ) -> Tensor:
        x, base = (each.contiguous(memory_format=torch.channels_last) for each in (x, base))
        convolution = settings.convolution(x, weight)
        kernels = MapKernels(base, gated=settings.gated, binary=settings.binary, clip=settings.clip)
        levels = convolution.levels(x)
        sums, statistics = convolution.sums(levels, weight, threshold, statistics=True)
        norm = kernels.finish_statistics(statistics, settings.norm)
        total = torch.empty_like(base)
        statistics = kernels.onto_base(sums, threshold, norm, slope, base, total)
        norm_out = kernels.finish_statistics(statistics, settings.norm_out)
        y = torch.empty_like(base)
        kernels.affine(total, norm_out, y)
        ctx.settings, ctx.kernels, ctx.convolution = settings, kernels, convolution
        weights = (norm_parameters[0], norm_parameters[3])
        ctx.save_for_backward(x, levels, total, sums, weight, threshold, slope, norm, norm_out, *weights)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, levels, total, sums, weight, threshold, slope, norm, norm_out, norm_weight, out_weight = ctx.saved_tensors
        settings: FusedSettings = ctx.settings
        kernels: MapKernels = ctx.kernels
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        out = kernels.finish_norm_backward(kernels.norm_sums(gradient, total), out_weight, norm_out, sums=2)
        d_total = torch.empty_like(total)
        partial = kernels.onto_base_backward(sums, threshold, norm, slope, gradient, total, out, d_total)
        inner = kernels.finish_norm_backward(partial, norm_weight, norm, sums=3)
        both = torch.empty_like(total, dtype=torch.bfloat16)
        parts = empty_map(2 * len(total), total, torch.bfloat16) if settings.gated else both
        partial = kernels.convolved_backward(sums, threshold, norm, slope, d_total, inner, parts, both)
        d_threshold = partial.sum(0) if settings.gated else None
        convolution: Convolution = ctx.convolution
        d_weight = convolution.weight_gradient(levels, parts, weight)
        d_x = convolution.input_gradient(both, weight, x, d_total, identity=settings.identity)
        d_base = None if settings.identity else d_total
        # After the slope: the norm's weight, bias and the shift after it, then the outer norm's weight and bias.
        norms = (inner[3], inner[4], inner[4], out[3], out[4])
        return None, d_x, d_base, d_weight, d_threshold, inner[5], *norms


def fused_layer(
    settings: FusedSettings, x: Tensor, base: Tensor, weight: Tensor, threshold: Tensor, slope: Tensor, training: bool
) -> Tensor:
    """Return y for x (N, I, H, W), base (N, C, H/stride, W/stride), weight (C, I, k, k) and the vectors (C,).

    In evaluation the running statistics are used, and there is no gradient.
    """
    if not training:
        return _evaluated(settings, x, base, weight, threshold, slope)
    inner, outer = settings.norm, settings.norm_out
    norms = (inner.norm.weight, inner.norm.bias, inner.after, outer.norm.weight, outer.norm.bias)
    given = base.detach() if settings.identity else base
    y: Tensor = _FusedLayer.apply(settings, x, given, weight, threshold, slope, *norms)  # type: ignore[no-untyped-call]
    return y


@torch.no_grad()
def _evaluated(
    settings: FusedSettings, x: Tensor, base: Tensor, weight: Tensor, threshold: Tensor, slope: Tensor
) -> Tensor:
    x, base = (each.contiguous(memory_format=torch.channels_last) for each in (x, base))
    convolution = settings.convolution(x, weight)
    sums, _ = convolution.sums(convolution.levels(x), weight, threshold, statistics=False)
    kernels = MapKernels(base, gated=settings.gated, binary=settings.binary, clip=settings.clip)
    total = torch.empty_like(base)
    kernels.onto_base(sums, threshold, kernels.folded(settings.norm), slope, base, total)
    kernels.affine(total, kernels.folded(settings.norm_out), total)
    return total
