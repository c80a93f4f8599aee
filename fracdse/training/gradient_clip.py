"""Adaptive gradient clipping, which networks without batch norms need (arXiv 2102.06171; binary: 2104.08215)."""

from __future__ import annotations

import torch

from fracdse.network.network import FractionalNetwork

_SMALLEST_NORM = 1e-3


@torch.no_grad()
def clip_adaptively(network: FractionalNetwork, limit: float) -> None:
    """Scale gradients so that, output channel by output channel, their norm is at most `limit` times the weights'.

    The classifier is left alone, as the authors do.
    """
    for name, weight in network.named_parameters():
        gradient = weight.grad
        if gradient is None or weight.ndim < 2 or name.startswith("classifier"):
            continue
        largest = weight.flatten(1).norm(dim=1).clamp_min_(_SMALLEST_NORM) * limit
        norms = gradient.flatten(1).norm(dim=1)
        scale = (largest / norms.clamp_min(1e-6)).clamp_max_(1.0)
        gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))
