"""One batch's loss as a module, which is what DistributedDataParallel wraps."""

from __future__ import annotations

from torch import Tensor, nn

from fracdse.network.network import FractionalNetwork
from fracdse.training.objective import Objective


class Lesson(nn.Module):
    """Computes the loss and the logits of a batch with the network that is trained."""

    def __init__(self, network: FractionalNetwork, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self._objective = objective

    def forward(self, images: Tensor, labels: Tensor, stage: int | None) -> tuple[Tensor, Tensor]:
        """Return the loss, and the logits for measuring alone: only what the loss is made of has gradients."""
        loss, logits = self._objective.loss(self.network, images, labels, stage)
        return loss, logits.detach()
