"""The loss of one batch, put together as a recipe says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from fracdse.design import Design
from fracdse.network.network import FractionalNetwork
from fracdse.topology import block_shapes
from fracdse.training.losses import block_loss, label_loss, logit_loss, stages, threshold_loss
from fracdse.training.recipe import Recipe
from fracdse.training.step_graph import beside, new_stream

_STAGE_WISE_SHARE = 0.5


class Objective:
    """Compute losses for a recipe, with or without a teacher."""

    def __init__(self, recipe: Recipe, design: Design, teacher: FractionalNetwork | None) -> None:
        self._recipe = recipe
        self._stages = stages(block_shapes(design))
        self._teacher = teacher.eval().requires_grad_(False) if teacher is not None else None
        self._beside: torch.cuda.Stream | None = None

    def stage(self, share: float) -> int | None:
        """Return the only stage of blocks that is matched after a share of a step of training, or None: all jointly."""
        recipe = self._recipe
        if recipe.distillation_order == "joint" or recipe.block_loss == "none" or share >= _STAGE_WISE_SHARE:
            return None
        return int(share / _STAGE_WISE_SHARE * (self._stages[-1] + 1))

    def loss(
        self, network: FractionalNetwork, images: Tensor, labels: Tensor, stage: int | None
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits of a batch; `stage` is as `stage()` gives it."""
        recipe = self._recipe
        if self._teacher is None:
            logits = network(images)
            return self._with_thresholds(
                network, recipe.label_weight * label_loss(logits, labels, None, recipe)
            ), logits
        with self._beside_the_network(images):
            target, target_blocks = self._teacher.forward_with_blocks(images)
        logits, blocks = network.forward_with_blocks(images)
        if self._beside is not None:
            torch.cuda.current_stream(images.device).wait_stream(self._beside)
        if stage is not None:
            chosen = [index for index, own in enumerate(self._stages) if own == stage]
            distance = block_loss(recipe.block_loss, *([part[i] for i in chosen] for part in (blocks, target_blocks)))
            return self._with_thresholds(network, recipe.block_weight * distance), logits
        total = recipe.label_weight * label_loss(logits, labels, target, recipe)
        if recipe.logit_weight:
            total = total + recipe.logit_weight * logit_loss(logits, target, recipe.temperature)
        if recipe.block_loss != "none":
            total = total + recipe.block_weight * block_loss(recipe.block_loss, blocks, target_blocks)
        return self._with_thresholds(network, total), logits

    @contextmanager
    def _beside_the_network(self, images: Tensor) -> Iterator[None]:
        """Work without gradients inside the block; on a GPU, on a stream beside what follows it.

        What the block makes is free for the next batch's block once that has waited for all that uses it.
        """
        with torch.no_grad():
            if not images.is_cuda:
                yield
                return
            if self._beside is None:
                self._beside = new_stream(images.device)
            with beside(self._beside):
                yield

    def _with_thresholds(self, network: FractionalNetwork, loss: Tensor) -> Tensor:
        if network.precision == "float":
            return loss
        return loss + threshold_loss(network, self._recipe.threshold_weight)
