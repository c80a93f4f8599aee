"""Measure a network on a data set."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fracdse.errors import DataError, TrainingError
from fracdse.gates import GateStatistics
from fracdse.network.network import FractionalNetwork
from fracdse.training.data import Dataset, check_format
from fracdse.training.gate_statistics import GateCounter
from fracdse.training.memory import keep_freed_memory
from fracdse.training.step_graph import in_batches, undisturbed

_GATE_IMAGES = 1000


@dataclass(frozen=True)
class Evaluation:
    """What a network does on a data set.

    accuracy: share of images whose largest logit is the label's; logits: (N, classes) float32 in file order;
    predictions: (N,) int64; gates: None where they were not asked for or the network has none.
    """

    accuracy: float
    logits: NDArray[np.float32]
    predictions: NDArray[np.int64]
    gates: GateStatistics | None
    images_per_s: float


@torch.no_grad()
@undisturbed()
def evaluate(
    network: FractionalNetwork,
    dataset: Dataset,
    limit: int | None = None,
    batch: int = 256,
    gate_images: int = _GATE_IMAGES,
) -> Evaluation:
    """Run a network over the first `limit` images of a data set (None: all of them).

    It computes on the device that holds the network. Gates are counted on the first `gate_images` of them, because
    counting takes longer than computing. The network's training mode is put back afterwards.

    Raises:
        DataError: The images do not have the format that the network reads.
        TrainingError: The network's logits are not finite numbers.
    """
    check_format(network.design.image, dataset)
    keep_freed_memory()
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise DataError(f"limit = {limit!r} leaves no image to evaluate; allowed: 1 or more")
    device = network.classifier.weight.device
    images = torch.from_numpy(dataset.images[:count]).to(device).permute(0, 3, 1, 2)
    was_training = network.training
    network.eval()
    counter = GateCounter()
    try:
        start = time.perf_counter()
        logits = in_batches(network, images, batch).cpu()
        seconds = time.perf_counter() - start
        _check_finite(logits)
        if gate_images and network.precision != "float":
            with network.observed_gates(counter.observe):
                for part in torch.split(images[:gate_images], batch):
                    network(part)
    finally:
        network.train(was_training)
    predictions = logits.argmax(1).numpy()
    gates = counter.statistics() if gate_images and network.precision != "float" else None
    accuracy = float((predictions == dataset.labels[:count]).mean())
    return Evaluation(accuracy, logits.numpy(), predictions, gates, count / max(seconds, 1e-9))


def _check_finite(logits: Tensor) -> None:
    wrong = int((~torch.isfinite(logits)).any(1).sum())
    if wrong:
        raise TrainingError(
            f"the network's logits are not finite numbers for {wrong} of {len(logits)} images",
            hint="Its values ran away in training: train it again with a lower learning rate.",
        )
