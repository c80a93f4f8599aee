"""How a dataflow accelerator shares its lanes: solved by `fracdse.hardware.folding`, read by the RTL generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Memory = Literal["logic", "lutram", "bram"]


@dataclass(frozen=True)
class LayerFolding:
    """Lanes and weight memory of one layer.

    `lanes` divides the layer's output channels (the classifier's classes). `channel_order[i]` is the channel at
    position i of the schedule; position i is computed by lane i mod lanes in step i // lanes. Empty means the
    natural order.
    """

    name: str
    lanes: int
    weight_memory: Memory
    channel_order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Folding:
    """The folding of a whole network, gated convolutions in order of the topology."""

    stem: LayerFolding
    convs: tuple[LayerFolding, ...]
    classifier: LayerFolding

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Folding:
        """Build a folding from what `to_dict` returned, also after a trip through JSON."""

        def layer(entry: Mapping[str, Any]) -> LayerFolding:
            return LayerFolding(
                entry["name"], entry["lanes"], entry["weight_memory"], tuple(entry.get("channel_order", ()))
            )

        return cls(layer(values["stem"]), tuple(map(layer, values["convs"])), layer(values["classifier"]))
