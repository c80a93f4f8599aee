"""Batches of a data set that lies on one device as one tensor, shuffled and augmented whole batches at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fracdse.training.augmentation import augmenter
from fracdse.training.data import Dataset
from fracdse.training.recipe import Augmentation

_CPU = torch.device("cpu")


class Batches:
    """Shuffled training batches of a data set.

    A batch is first only drawn: `epoch` yields draws (B, 1 + uniforms), a row an image: its index and the random
    numbers of its augmentation. `make` turns a draw into images and labels, on the device that holds the data.

    Every epoch draws from a generator of its own, seeded by `seed` and the epoch's number, so that a run that was
    interrupted goes on with the batches it would have had.
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, augmentation: Augmentation, seed: int, device: torch.device = _CPU
    ) -> None:
        self._augmenter = augmenter(augmentation, dataset.image_format)
        self._images = self._augmenter.prepare(torch.from_numpy(dataset.images).to(device))
        self._labels = torch.from_numpy(dataset.labels).to(device)
        self._batch_size = min(batch_size, len(dataset))
        self._seed = seed

    @property
    def size(self) -> int:
        """Images a batch."""
        return self._batch_size

    @property
    def count(self) -> int:
        """Batches an epoch; a last one that would not be full is left out."""
        return len(self._labels) // self._batch_size

    def epoch(self, number: int) -> Iterator[Tensor]:
        """Yield the draws of an epoch."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + number) % 2**63)
        order = torch.randperm(len(self._labels), generator=generator)[:, None]
        uniform = torch.rand((len(order), self._augmenter.uniforms), generator=generator, dtype=torch.float64)
        draws = torch.cat((order, uniform), 1).to(self._labels.device)
        for start in range(0, self.count * self._batch_size, self._batch_size):
            yield draws[start : start + self._batch_size]

    def make(self, draw: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (B, colours, H, W) uint8, channels last, and the labels (B,) of a draw."""
        chosen = draw[:, 0].long()
        images = self._augmenter.augment(self._images, chosen, draw[:, 1:])
        return images.permute(0, 3, 1, 2), self._labels[chosen]
