"""Count how often gates open, and how evenly over the lanes of an accelerator."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fracdse.design import Design
from fracdse.gates import LAST_CHANNELS, GateStatistics, LayerGates
from fracdse.topology import gated_convs


@dataclass
class _Counts:
    """Sums over batches; those of tensors stay on their device until they are asked for."""

    open_gates: Tensor | int = 0
    gates: int = 0
    pixels: int = 0
    largest: dict[int, Tensor | int] = field(default_factory=dict)
    last: Tensor = field(default_factory=lambda: torch.zeros(()))


class GateCounter:
    """Sum gate statistics over batches."""

    def __init__(self) -> None:
        self._layers: dict[str, _Counts] = {}
        self._images = 0

    def observe(self, name: str, gates: Tensor) -> None:
        """Add the gates (N, C, H, W) of a layer."""
        counts = self._layers.setdefault(name, _Counts())
        if name == next(iter(self._layers)):
            self._images += gates.shape[0]
        channels = gates.shape[1]
        flat = gates.permute(0, 2, 3, 1).reshape(-1, channels).int()
        counts.open_gates = counts.open_gates + flat.sum()
        counts.gates += flat.numel()
        counts.pixels += flat.shape[0]
        for lanes in divisors(channels):
            # Lane i holds the channels c ≡ i (mod lanes), so the last axis of this view is the lane.
            largest = flat.view(-1, channels // lanes, lanes).sum(1).amax(1)
            counts.largest[lanes] = counts.largest.get(lanes, 0) + largest.sum()
        counts.last = counts.last + flat[:, -LAST_CHANNELS:].sum(0)

    def statistics(self) -> GateStatistics:
        """Return what was seen so far."""
        layers = tuple(
            LayerGates(
                name,
                float(counts.open_gates) / counts.gates,
                {lanes: float(total) / counts.pixels for lanes, total in counts.largest.items()},
                tuple((counts.last / counts.pixels).tolist()),
            )
            for name, counts in self._layers.items()
        )
        return GateStatistics(layers, self._images)


def open_share(statistics: GateStatistics, design: Design) -> float:
    """Return the share of all gates of a network that open, every output weighing the same (0 to 1)."""
    sizes = [conv.out_channels * conv.out_height * conv.out_width for conv in gated_convs(design)]
    opened = sum(size * layer.open_fraction for size, layer in zip(sizes, statistics.layers, strict=True))
    return opened / sum(sizes)


def divisors(number: int) -> list[int]:
    """Return the divisors of a number, ascending."""
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]
