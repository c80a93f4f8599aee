"""A gated layer with the float32 rounding of FracBNN's released code, for checkpoints that it trained.

Levels of ±1/3 are not exact in float32, and norms and shifts round after every step, so the released code's features
carry errors of about 1e-7. An activation that close to a quantiser's edge falls on one side there and on the other in
other arithmetic: about one image in fifty has such an activation. To reproduce the released network's logits on every
image, its imported form computes in this order. It serves evaluation only; training is always exact.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, prelu

from fracdse.network.fractional_conv import GATE_SLOPE
from fracdse.network.norms import BatchNorm, Norm
from fracdse.network.rprelu import RPReLU

_LEVEL_DISTANCE = 2.0 / 3.0


def released_fractional_conv2d(x: Tensor, weight: Tensor, threshold: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return output and gates (bool), both (N, C, H/stride, W/stride), for ±1 weights and thresholds (C,)."""
    padding = weight.shape[-1] // 2
    # The released code stores maps channels first, and in which order a convolution adds depends on that.
    x, weight = x.contiguous(), weight.contiguous()
    levels = torch.round((x.clamp(-1.0, 1.0) + 1.0) / _LEVEL_DISTANCE) * _LEVEL_DISTANCE - 1.0
    out_msb = conv2d(torch.sign(levels), weight, stride=stride, padding=padding) * 2.0 / 3.0
    gate = torch.sigmoid(GATE_SLOPE * (out_msb - threshold[:, None, None])) > 0.5
    out_full = conv2d(levels, weight, stride=stride, padding=padding)
    return torch.where(gate, out_full, out_msb), gate


def released_post(out: Tensor, shortcut: Tensor, norm_conv: Norm, relu: RPReLU, norm_out: Norm) -> Tensor:
    """Return what follows the convolution: norm, RPReLU, shortcut, norm; feature maps are (N, C, H, W)."""
    h = _batch_norm(norm_conv, out) + relu.shift_in[:, None, None]
    h = prelu(h, relu.slope) + relu.shift_out[:, None, None]
    return _batch_norm(norm_out, h + shortcut)


def _batch_norm(norm: Norm, x: Tensor) -> Tensor:
    assert isinstance(norm, BatchNorm)
    return batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
