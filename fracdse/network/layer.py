"""The two trained layers of every body: the thermometer stem, and a gated convolution with all that follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d

from fracdse.network.codebook import Codebook
from fracdse.network.exact_conv import exact_conv2d, working_type
from fracdse.network.fractional_conv import fractional_conv2d
from fracdse.network.fused.convolutions import fused_stem
from fracdse.network.fused.launch import can_fuse
from fracdse.network.fused.layer import FusedSettings, fused_layer
from fracdse.network.norms import BatchNorm, ChannelAffine, Norm, PowerOfTwoBatchNorm
from fracdse.network.quantisers import power_of_two, quantise_activation, sign_weight
from fracdse.network.released_arithmetic import released_fractional_conv2d, released_post
from fracdse.network.rprelu import RPReLU, prelu_onto
from fracdse.network.si_shortcut import SIShortcut
from fracdse.network.thermometer import Thermometer
from fracdse.topology import GatedConvSpec, StemSpec

Precision = Literal["float", "real_weights", "binary"]
GateObserver = Callable[[str, Tensor], None]

FIRST_THRESHOLD = -1.0
BN_FREE_BRANCH = 0.2


class Stem(nn.Module):
    """Binary 3×3 convolution on thermometer levels, then a batch norm; uint8 (N, colours, H, W) to (N, C, H, W)."""

    def __init__(self, spec: StemSpec, power_of_two_scales: bool) -> None:
        super().__init__()
        self.spec = spec
        self.precision: Precision = "binary"
        self.thermometer = Thermometer(spec.resolution)
        self.weight = nn.Parameter(torch.empty(spec.out_channels, spec.in_channels, spec.kernel, spec.kernel))
        self.norm = (PowerOfTwoBatchNorm if power_of_two_scales else BatchNorm)(spec.out_channels)
        nn.init.kaiming_normal_(self.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return the first residual."""
        binary = self.precision == "binary"
        if can_fuse(self.weight, self.spec.out_channels):
            counts = self.thermometer.counts
            return self.norm(fused_stem(images, counts, self.weight, self.spec.stride, signed=binary))  # type: ignore[no-any-return]
        weight = sign_weight(self.weight) if binary else self.weight
        dtype = working_type(weight)
        levels = self.thermometer(images, dtype)
        low = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        sums = exact_conv2d(levels, low, self.spec.stride, self.spec.kernel // 2)
        return self.norm(sums.to(weight.dtype))  # type: ignore[no-any-return]


class GatedLayer(nn.Module):
    """r' = norm_out(RPReLU(norm_conv(fconv(q(r)))) + shortcut(r) + si(r)), with the techniques that its spec names.

    `precision` is "binary", or "real_weights" (the first step of training: gates and quantised activations, but real
    weights), or "float" (the twin that teaches: neither gates nor quantisers).
    """

    def __init__(self, spec: GatedConvSpec) -> None:
        super().__init__()
        self.spec = spec
        self.precision: Precision = "binary"
        self.released_arithmetic = False
        self.gate_observer: GateObserver | None = None
        channels = spec.out_channels
        self.weight = nn.Parameter(torch.empty(channels, spec.in_channels, spec.kernel, spec.kernel))
        self.threshold = nn.Parameter(torch.full((channels,), FIRST_THRESHOLD))
        self.norm_conv = _norm(spec, spec.fan_in**-0.5)
        self.rprelu = RPReLU(channels)
        self.norm_out = _norm(spec, (1 + BN_FREE_BRANCH**2) ** -0.5)
        self.link = nn.Parameter(torch.ones(channels)) if spec.elastic_link else None
        self.si = SIShortcut(spec, spec.si) if spec.si is not None else None
        uses_codebook = spec.codebook_bits > 0 and spec.kernel > 1
        self.codebook = Codebook(spec.codebook_bits, spec.kernel**2) if uses_codebook else None
        nn.init.kaiming_normal_(self.weight)

    def convolution_weight(self) -> Tensor:
        """Return the weight (C, I, k, k) that the convolution uses at this precision."""
        weight: Tensor = self.weight
        if not self.spec.batch_norm:
            deviation, mean = torch.std_mean(weight, (1, 2, 3), correction=0, keepdim=True)
            weight = (weight - mean) / (deviation + 1e-5)
        if self.precision != "binary":
            return weight
        return sign_weight(weight) if self.codebook is None else self.codebook(weight)

    def slope(self) -> Tensor:
        """Return the slope of the RPReLU: as learned, or as the nearest power of two."""
        return power_of_two(self.rprelu.slope) if self.spec.power_of_two else self.rprelu.slope

    def link_factor(self) -> Tensor:
        """Return the factors of the link (C,): as learned, or as the nearest powers of two."""
        assert self.link is not None
        return power_of_two(self.link) if self.spec.power_of_two else self.link

    def forward(self, x: Tensor) -> Tensor:
        """Map the residual (N, I, H, W) to the next one, (N, C, H/stride, W/stride)."""
        shortcut = self._shortcut(x)
        if self.released_arithmetic and not self.training:
            return self._as_released(x, shortcut)
        if self._can_fuse(x):
            return self._fused(x, shortcut)
        out = self._convolve(x)
        if self.link is not None:
            out = torch.addcmul(out, shortcut, self.link_factor()[:, None, None])
        relu, factor = self.rprelu, 1.0 if self.spec.batch_norm else BN_FREE_BRANCH
        total = prelu_onto(self.norm_conv(out, after=relu.shift_in), self.slope(), shortcut, factor)
        if self.si is not None:
            total = self.si(x, total, self.precision != "float")
        return self.norm_out(total, before=factor * relu.shift_out)  # type: ignore[no-any-return]

    def _can_fuse(self, x: Tensor) -> bool:
        spec = self.spec
        plain = spec.batch_norm and self.link is None and self.gate_observer is None
        differentiable = self.training or not torch.is_grad_enabled()
        whole = not self.training or getattr(self.norm_conv, "partners", None) is None
        return plain and differentiable and whole and can_fuse(x, spec.out_channels)

    def _fused(self, x: Tensor, shortcut: Tensor) -> Tensor:
        assert isinstance(self.norm_conv, BatchNorm)
        assert isinstance(self.norm_out, BatchNorm)
        relu = self.rprelu
        signed = self.precision == "binary" and self.codebook is None
        settings = FusedSettings(
            stride=self.spec.stride,
            clip=2 ** (self.spec.clip_bits - 1) if self.spec.clip_bits and self.precision != "float" else 0,
            gated=self.precision != "float",
            binary=self.precision == "binary",
            signed=signed,
            identity=shortcut is x and self.si is None,
            norm=self.norm_conv.with_shifts(after=relu.shift_in),
            norm_out=self.norm_out.with_shifts(before=relu.shift_out),
        )
        base = shortcut if self.si is None else self.si(x, shortcut, self.precision != "float")
        weight = self.weight if signed else self.convolution_weight()
        return fused_layer(settings, x, base, weight, self.threshold, self.slope(), self.training)

    def _convolve(self, x: Tensor) -> Tensor:
        spec, weight = self.spec, self.convolution_weight()
        if self.precision == "float":
            dtype = working_type(x)
            low = weight.to(dtype).contiguous(memory_format=torch.channels_last)
            return conv2d(x.to(dtype), low, stride=spec.stride, padding=spec.kernel // 2).to(x.dtype)
        observer = self.gate_observer
        out, gates = fractional_conv2d(
            x, weight, self.threshold, spec.stride, binary=self.precision == "binary", keep_gates=observer is not None
        )
        if observer is not None:
            observer(spec.name, gates)
        if spec.clip_bits:
            out = out.clamp(-(2 ** (spec.clip_bits - 1)) / 3, (2 ** (spec.clip_bits - 1) - 1) / 3)
        return out

    def _as_released(self, x: Tensor, shortcut: Tensor) -> Tensor:
        out, gate = released_fractional_conv2d(x, self.convolution_weight(), self.threshold, self.spec.stride)
        if self.gate_observer is not None:
            self.gate_observer(self.spec.name, gate)
        return released_post(out, shortcut, self.norm_conv, self.rprelu, self.norm_out)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.spec.stride > 1:
            x = avg_pool2d(x, self.spec.stride)
        if self.spec.shortcut_bits and self.precision != "float":
            x = quantise_activation(x, self.spec.shortcut_bits)
        if self.spec.expansion > 1:
            x = torch.cat([x] * self.spec.expansion, 1)
        return x


def _norm(spec: GatedConvSpec, start: float) -> Norm:
    """Build a layer's norm; `start` is the first scale where there are no batch norms."""
    if not spec.batch_norm:
        return ChannelAffine(spec.out_channels, start, spec.power_of_two)
    return (PowerOfTwoBatchNorm if spec.power_of_two else BatchNorm)(spec.out_channels)
