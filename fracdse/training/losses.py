"""What training minimises: labels, gate thresholds, and the distance to a teacher's logits and blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, normalize

from fracdse.network.fused.attention import can_fuse_attention, fused_attention_distance
from fracdse.network.network import FractionalNetwork
from fracdse.training.recipe import BlockLoss, Recipe


def threshold_loss(network: FractionalNetwork, weight: float) -> Tensor:
    """Return Σ 0.5·weight·‖Δ − g‖² over all thresholds, g being the design's target (FracBNN, arXiv 2012.12206)."""
    thresholds = torch.cat([layer.threshold for layer in network.gated_layers()])
    return 0.5 * weight * (thresholds - network.design.network.gate_threshold).square().sum()


def logit_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T²·KL(teacher ‖ student) of class probabilities softened by a temperature T; logits are (N, classes)."""
    student = log_softmax(logits / temperature, 1)
    target = log_softmax(teacher / temperature, 1)
    return kl_div(student, target, reduction="batchmean", log_target=True) * temperature**2


def block_distance(kind: BlockLoss, student: Tensor, teacher: Tensor) -> Tensor:
    """Return how far a block's output (N, C, H, W) is from the teacher's.

    `l2`: squared distance of the outputs, each image's scaled to length 1. `attention`: with a = mean over channels of
    x², divided by its maximum, the mean squared difference of a (Real-to-Binary training, arXiv 2003.11535).
    """
    if kind == "l2":
        return (normalize(student.flatten(1)) - normalize(teacher.flatten(1))).square().sum(1).mean()
    if can_fuse_attention(student, teacher):
        return fused_attention_distance(student, teacher)
    return mse_loss(_attention(student), _attention(teacher))


def block_loss(kind: BlockLoss, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the mean of `block_distance` over matched blocks."""
    distances = [block_distance(kind, own, target) for own, target in zip(student, teacher, strict=True)]
    return torch.stack(distances).mean()


def label_loss(logits: Tensor, labels: Tensor, teacher: Tensor | None, recipe: Recipe) -> Tensor:
    """Return the cross entropy with the labels, or with the teacher's distribution where the recipe says so."""
    if recipe.distributional and teacher is not None:
        return cross_entropy(logits, teacher.softmax(1))
    return cross_entropy(logits, labels)


def stages(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the stage of every block: consecutive blocks with outputs of one shape are a stage, counted from 0."""
    numbers: list[int] = []
    for index, shape in enumerate(shapes):
        new = index > 0 and shape != shapes[index - 1]
        numbers.append((numbers[-1] if numbers else 0) + new)
    return numbers


def _attention(x: Tensor) -> Tensor:
    power = x.square().mean(1).flatten(1)
    return power / power.amax(1, keepdim=True).clamp_min(1e-12)
