"""Plain reference layers, written as the definitions read, for comparison in float64."""

import torch
from torch.nn.functional import conv2d


def through(forward, backward):
    return backward + (forward - backward).detach()


class AboveHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0.5).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] >= 0.5)


def plain_sign_weight(weight):
    return through(torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype), weight.clamp(-1.3, 1.3))


def plain_gated_conv(x, weight, threshold, stride, padding):
    """Two convolutions and a sigmoid gate; returns output and gate."""
    clipped = x.clamp(-1, 1)
    q = through(torch.round((clipped + 1) * 1.5) / 1.5 - 1, clipped)
    m = through(torch.where(q >= 0, 1.0, -1.0).to(x.dtype), q)
    signs = plain_sign_weight(weight)
    out_msb = conv2d(m, signs, stride=stride, padding=padding) * 2 / 3
    gate = AboveHalf.apply(torch.sigmoid(5 * (out_msb - threshold.view(1, -1, 1, 1))))
    out_full = conv2d(q, signs, stride=stride, padding=padding)
    return gate * out_full + (1 - gate) * out_msb, gate
