"""Batches of a data set that is held in memory as one tensor, shuffled and augmented whole batches at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fracdse.training.data import Dataset
from fracdse.training.recipe import Augmentation

_SMALLEST_TO_MOVE = 16


class Batches:
    """Shuffled training batches: images (B, colours, H, W) uint8, channels last, and labels (B,).

    Every epoch draws from a generator of its own, seeded by `seed` and the epoch's number, so that a run that was
    interrupted goes on with the batches it would have had.
    """

    def __init__(self, dataset: Dataset, batch_size: int, augmentation: Augmentation, seed: int) -> None:
        images = torch.from_numpy(dataset.images)
        kind = _automatic(dataset) if augmentation == "auto" else augmentation
        self._flips = kind == "flip and crop"
        self._margin = 0 if kind == "none" else max(images.shape[1] // 8, 1)
        self._height, self._width = images.shape[1:3]
        self._padded = torch.nn.functional.pad(images, (0, 0, *(self._margin,) * 4))
        self._labels = torch.from_numpy(dataset.labels)
        self._batch_size = min(batch_size, len(dataset))
        self._seed = seed

    @property
    def count(self) -> int:
        """Batches an epoch; a last one that would not be full is left out."""
        return len(self._labels) // self._batch_size

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + number) % 2**63)
        order = torch.randperm(len(self._labels), generator=generator)
        for start in range(0, self.count * self._batch_size, self._batch_size):
            chosen = order[start : start + self._batch_size]
            yield self._augmented(chosen, generator), self._labels[chosen]

    def _augmented(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        count = len(chosen)
        offsets = torch.randint(0, 2 * self._margin + 1, (2, count, 1), generator=generator)
        rows = torch.arange(self._height) + offsets[0]
        columns = torch.arange(self._width).expand(count, -1)
        if self._flips:
            flipped = torch.rand(count, 1, generator=generator) < 0.5
            columns = torch.where(flipped, self._width - 1 - columns, columns)
        columns = columns + offsets[1]
        batch = self._padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return batch.permute(0, 3, 1, 2)


def _automatic(dataset: Dataset) -> Augmentation:
    """Choose what suits most images of a format: tiny ones lose too much when they are moved, digits when flipped."""
    image = dataset.image_format
    if min(image.height, image.width) < _SMALLEST_TO_MOVE:
        return "none"
    return "flip and crop" if image.colours == 3 else "crop"
