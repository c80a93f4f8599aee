"""How a dataflow accelerator shares its lanes: solved by `fracdse.hardware.folding`, read by the RTL generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from fracdse.topology import GatedConvSpec

Memory = Literal["logic", "lutram", "bram", "mixed"]
"""Where a layer's weights are: `mixed` is block RAM but for the bits that `fracdse.mixed_weights` takes out of it."""

BLOCK_MEMORIES: tuple[Memory, ...] = ("bram", "mixed")

SLICED_KERNEL = 3
STEM_SLICES = (1, 3, 9)
_FEWEST_CHANNELS_A_SLICE = 4
_SI_SLACK_PIXELS = 22
_FEW_ROWS = 4


def legal_slices(in_channels: int, kernel: int) -> tuple[int, ...]:
    """Return in how many cycles a lane may take a fan-in: 1, or 3 (one a column) times a number of channel groups."""
    if kernel != SLICED_KERNEL or in_channels % 2:
        return (1,)
    most = in_channels // _FEWEST_CHANNELS_A_SLICE
    return (1, *(SLICED_KERNEL * groups for groups in range(1, most + 1) if in_channels % groups == 0))


def codes_a_beat(in_channels: int, slices: int, producer_lanes: int) -> int:
    """Return the codes a beat that a convolution takes: a pixel's, or the producer's lanes where they fill a slice."""
    group = SLICED_KERNEL * in_channels // slices
    return producer_lanes if slices > 1 and group % producer_lanes == 0 else in_channels


def queued_pixels(spec: GatedConvSpec, slices: int) -> int:
    """Return the least number of pixels that wait in front of a layer's convolution, 0 for none.

    A strided layer idles while an even row arrives and works through the odd one: a row of codes evens that out.
    Beside an SI branch, a 1×1 convolution waits for the branch's window. A sliced window of a map of few rows is full
    as long as the lane works on it: with a pixel in front of it the layer before can go on.
    """
    if spec.stride > 1:
        return spec.in_width
    if spec.kernel == 1 and spec.si is not None:
        return spec.in_width + _SI_SLACK_PIXELS
    return int(slices > 1 and spec.in_height <= _FEW_ROWS)


def queued_codes(in_channels: int, slices: int, arriving: int, queued: int) -> int:
    """Return the codes a beat behind a queue: a slice's, put together there; what arrives where nothing is queued."""
    return SLICED_KERNEL * in_channels // slices if queued and arriving < in_channels else arriving


@dataclass(frozen=True)
class LayerFolding:
    """Lanes and weight memory of one layer.

    `lanes` divides the layer's output channels (the classifier's classes). `channel_order[i]` is the channel at
    position i of the schedule; position i is computed by lane i mod lanes in step i // lanes. Empty means the
    natural order. With `slices` above 1, the only lane takes so many cycles for a fan-in, fan-in / slices taps a cycle;
    in the stem every lane does.
    """

    name: str
    lanes: int
    weight_memory: Memory
    channel_order: tuple[int, ...] = ()
    slices: int = 1


def lanes_text(lanes: int, slices: int) -> str:
    """Return lanes for people: '8', '1/6' for one lane that takes six cycles for a fan-in, '' for a layer of none."""
    return f"{lanes}/{slices}" if slices > 1 else str(lanes or "")


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
        """Build a folding from what `to_dict` returned, also after a trip through JSON.

        Raises:
            KeyError, TypeError, ValueError: The values are none of a folding.
        """
        return cls(_layer(values["stem"]), tuple(map(_layer, values["convs"])), _layer(values["classifier"]))


def _layer(entry: Mapping[str, Any]) -> LayerFolding:
    name, lanes, memory, slices = entry["name"], entry["lanes"], entry["weight_memory"], entry.get("slices", 1)
    order = tuple(entry.get("channel_order", ()))
    numbers = all(type(number) is int for number in (lanes, slices, *order)) and min(lanes, slices, *order, 1) >= 0
    if type(name) is not str or memory not in get_args(Memory) or not numbers or not lanes * slices:
        raise ValueError(f"{str(dict(entry))[:200]} is no folding of a layer")
    return LayerFolding(name, lanes, memory, order, slices)
