"""The loss of one batch, put together as a recipe says."""

from __future__ import annotations

import torch
from torch import Tensor

from fracdse.network.network import FractionalNetwork
from fracdse.training.losses import block_loss, label_loss, logit_loss, stages, threshold_loss
from fracdse.training.recipe import Recipe

_STAGE_WISE_SHARE = 0.5


class Objective:
    """Compute losses for a recipe, with or without a teacher."""

    def __init__(self, recipe: Recipe, teacher: FractionalNetwork | None) -> None:
        self._recipe = recipe
        self._teacher = teacher.eval().requires_grad_(False) if teacher is not None else None

    def loss(self, network: FractionalNetwork, images: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits of a batch; `share` of the current step of training is over."""
        recipe = self._recipe
        if self._teacher is None:
            logits = network(images)
            return self._with_thresholds(
                network, recipe.label_weight * label_loss(logits, labels, None, recipe)
            ), logits
        logits, blocks = network.forward_with_blocks(images)
        with torch.no_grad():
            target, target_blocks = self._teacher.forward_with_blocks(images)
        stage = self._stage(stages(blocks), share)
        if stage is not None:
            chosen = [index for index, own in enumerate(stages(blocks)) if own == stage]
            distance = block_loss(recipe.block_loss, *([part[i] for i in chosen] for part in (blocks, target_blocks)))
            return self._with_thresholds(network, recipe.block_weight * distance), logits
        total = recipe.label_weight * label_loss(logits, labels, target, recipe)
        if recipe.logit_weight:
            total = total + recipe.logit_weight * logit_loss(logits, target, recipe.temperature)
        if recipe.block_loss != "none":
            total = total + recipe.block_weight * block_loss(recipe.block_loss, blocks, target_blocks)
        return self._with_thresholds(network, total), logits

    def _stage(self, numbers: list[int], share: float) -> int | None:
        """Return the only stage that is matched now, or None where everything is trained jointly."""
        recipe = self._recipe
        if recipe.distillation_order == "joint" or recipe.block_loss == "none" or share >= _STAGE_WISE_SHARE:
            return None
        return int(share / _STAGE_WISE_SHARE * (numbers[-1] + 1))

    def _with_thresholds(self, network: FractionalNetwork, loss: Tensor) -> Tensor:
        if network.precision == "float":
            return loss
        return loss + threshold_loss(network, self._recipe.threshold_weight)
