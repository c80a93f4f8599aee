"""Loss and accuracy of an epoch, added up where they are computed: reading each from a GPU would stop it each time."""

from __future__ import annotations

import torch
from torch import Tensor

from fracdse.training.team import Team


class Totals:
    """Sums over the steps of an epoch."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._counts = torch.zeros(3, dtype=torch.int64, device=device)  # correct, images, steps
        self._first_bad = torch.zeros((), dtype=torch.int64, device=device)
        self._bad_loss = torch.zeros((), device=device)

    def clear(self) -> None:
        """Begin an epoch."""
        for total in (self._loss, self._counts, self._first_bad, self._bad_loss):
            total.zero_()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a step's mean loss and logits (N, classes)."""
        loss = loss.detach()
        self._counts[0] += (logits.detach().argmax(1) == labels).sum()
        self._counts[1] += len(labels)
        self._counts[2] += 1
        self._loss += loss.double() * len(labels)
        bad = (self._first_bad == 0) & ~torch.isfinite(loss)
        self._first_bad.copy_(torch.where(bad, self._counts[2], self._first_bad))
        self._bad_loss.copy_(torch.where(bad, loss, self._bad_loss))

    def first_bad_step(self) -> tuple[int, float] | None:
        """Return the first step of the epoch, from 1, whose loss was not a finite number, and that loss."""
        first = int(self._first_bad)
        return (first, float(self._bad_loss)) if first else None

    def add_up(self, team: Team) -> None:
        """Add the sums of all processes of a team up."""
        team.add_up(self._loss)
        team.add_up(self._counts)

    def means(self) -> tuple[float, float]:
        """Return the mean loss and the share of images classified right."""
        correct, images, _ = self._counts.tolist()
        return float(self._loss) / images, correct / images
