"""How often gates open: what a trained network tells the schedule of its accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerGates:
    """Gate statistics of one gated convolution, averaged over output pixels and images.

    `largest_lane_count[p]` is the mean, over output pixels, of the largest number of open gates in any of p lanes,
    where lane i holds the channels c ≡ i (mod p): the cycles of the trailing-bit pass of a pixel. It is given for every
    divisor p of the layer's output channels.
    """

    name: str
    open_fraction: float
    largest_lane_count: Mapping[int, float]


@dataclass(frozen=True)
class GateStatistics:
    """Gate statistics of a whole network, one entry a gated convolution, in order of the topology."""

    layers: tuple[LayerGates, ...]
    images: int

    @property
    def open_fraction(self) -> float:
        """Mean open fraction over layers, each layer weighing the same."""
        return sum(layer.open_fraction for layer in self.layers) / len(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GateStatistics:
        """Build statistics from what `to_dict` returned, also after a trip through JSON."""
        layers = tuple(
            LayerGates(
                str(layer["name"]),
                float(layer["open_fraction"]),
                {int(lanes): float(count) for lanes, count in layer["largest_lane_count"].items()},
            )
            for layer in values["layers"]
        )
        return cls(layers, int(values["images"]))
