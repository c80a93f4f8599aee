"""A straightforward FracBNN layer, as a reader of the paper would write it: what speed is compared with.

Two float32 convolutions a layer, a sigmoid gate, straight-through estimators by detaching, the default memory layout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy

from fracdse.network.network import FractionalNetwork


def straight_through(forward: Tensor, backward: Tensor) -> Tensor:
    return backward + (forward - backward).detach()


def plain_sign(weight: Tensor) -> Tensor:
    return straight_through(torch.where(weight >= 0, 1.0, -1.0), weight.clamp(-1.3, 1.3))


def plain_two_bit(x: Tensor) -> Tensor:
    clipped = x.clamp(-1, 1)
    return straight_through(torch.round((clipped + 1) * 1.5) / 1.5 - 1, clipped)


class PassAboveHalf(torch.autograd.Function):
    """1 where x > 0.5, with the gradient of x where x ≥ 0.5."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        """Compare."""
        ctx.save_for_backward(x)
        return (x > 0.5).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        """Pass where the comparison is at least even."""
        return gradient * (ctx.saved_tensors[0] >= 0.5)


def plain_fractional_conv(
    x: Tensor, weight: Tensor, threshold: Tensor, stride: int, *, binary: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the gated convolution of real activations and weights, and the gates as 0 and 1."""
    padding = weight.shape[-1] // 2
    activation = plain_two_bit(x)
    leading = straight_through(torch.where(activation >= 0, 1.0, -1.0), activation)
    signs = plain_sign(weight) if binary else weight
    out_msb = conv2d(leading, signs, stride=stride, padding=padding) * 2.0 / 3.0
    gate = PassAboveHalf.apply(torch.sigmoid(5.0 * (out_msb - threshold.view(1, -1, 1, 1))))
    out_full = conv2d(activation, signs, stride=stride, padding=padding)
    return (1 - gate) * out_msb + gate * out_full, gate


class PlainNetwork(nn.Module):
    """The same network as `network`, sharing its parameters, computed straightforwardly."""

    def __init__(self, network: FractionalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of uint8 images."""
        stem = self.network.stem
        levels = torch.arange(stem.spec.levels, device=images.device).view(1, 1, -1, 1, 1)
        counts = torch.round(images.float() / stem.spec.resolution)[:, :, None]
        encoded = ((levels < counts).to(stem.weight.dtype) * 2 - 1).flatten(1, 2)
        x = plain_batch_norm(stem.norm, conv2d(encoded, plain_sign(stem.weight), padding=1))
        for layer in self.network.gated_layers():
            out, _ = plain_fractional_conv(x, layer.weight, layer.threshold, layer.spec.stride)
            relu = layer.rprelu
            h = plain_batch_norm(layer.norm_conv, out) + relu.shift_in.view(1, -1, 1, 1)
            h = nn.functional.prelu(h, relu.slope) + relu.shift_out.view(1, -1, 1, 1)
            shortcut = x
            if layer.spec.stride > 1:
                shortcut = avg_pool2d(x, 2)
                shortcut = torch.cat((shortcut, shortcut), 1)
            x = plain_batch_norm(layer.norm_out, h + shortcut)
        return self.network.classifier(x.mean((2, 3)))


def plain_batch_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return nn.functional.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps
    )


def plain_step(network: PlainNetwork, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> float:
    """Train one batch and return its loss."""
    loss = cross_entropy(network(images), labels)
    for layer in network.network.gated_layers():
        loss = loss + 0.5e-5 * torch.norm(layer.threshold - 3.0) ** 2
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())
