"""How often gates open: what a trained network tells the schedule of its accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fracdse.errors import StudyError

LAST_CHANNELS = 8


@dataclass(frozen=True)
class LayerGates:
    """Gate statistics of one gated convolution, averaged over output pixels and images.

    `largest_lane_count[p]` is the mean, over output pixels, of the largest number of open gates in any of p lanes,
    where lane i holds the channels c ≡ i (mod p): the cycles of the trailing-bit pass of a pixel. It is given for every
    divisor p of the layer's output channels.

    `last_open` are the open fractions of the last channels, `LAST_CHANNELS` at most, in their order: what a lane waits
    for at the end of a pixel; empty where they were not counted.
    """

    name: str
    open_fraction: float
    largest_lane_count: Mapping[int, float]
    last_open: tuple[float, ...] = ()

    @property
    def shut_fraction(self) -> float:
        """Share of pixels without an open gate, for which a trailing-bit pass takes a cycle all the same.

        With a lane a channel the busiest lane has one open gate, or none. Where that was not counted, the share is at
        least this.
        """
        return max(0.0, 1.0 - self.largest_lane_count[max(self.largest_lane_count)])


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
        """Build statistics from what `to_dict` returned, also after a trip through JSON.

        Layers are decoded when they are first asked for: most trials of a large study are never looked at so closely.

        Raises:
            KeyError: An entry is missing.
            StudyError: The entry of a layer is damaged; raised when layers are first asked for.
        """
        statistics = cls.__new__(cls)
        vars(statistics).update(images=int(values["images"]), _stored=values["layers"])
        return statistics

    def __getattr__(self, name: str) -> Any:
        """Decode the layers of `from_dict`; called only for what is not there yet."""
        if name != "layers" or "_stored" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        try:
            vars(self)["layers"] = tuple(map(_layer_of, vars(self)["_stored"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StudyError(
                f"stored gate statistics are damaged: {error!r}", hint="Run 'fracdse study check'."
            ) from None
        del vars(self)["_stored"]
        return self.layers


def _layer_of(plain: Mapping[str, Any]) -> LayerGates:
    counts = {int(lanes): float(count) for lanes, count in plain["largest_lane_count"].items()}
    last = tuple(map(float, plain.get("last_open", ())))
    return LayerGates(str(plain["name"]), float(plain["open_fraction"]), counts, last)
