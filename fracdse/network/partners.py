"""The other processes that train on parts of the same batch, as the layers see them that look at a whole batch."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Partners(Protocol):
    """Exchanges statistics of a batch; every process must call the same method at the same place."""

    def add_up(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, computed in place."""

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest of a tensor's values over all processes, each for itself, computed in place."""
