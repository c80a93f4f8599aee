"""Chains of foldings: a layer's cost depends on its own lanes and those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fracdse.hardware.options import FloatArray, LayerTable
from fracdse.memories import LUTS_PER_BRAM18

Preference = Literal["area", "lut"]
IndexArray = NDArray[np.int64]

# Prices of lut, ff, bram18 and dsp; the small ones only decide between equals.
PRICES: dict[Preference, FloatArray] = {
    "lut": np.array([1.0, 1e-6, 1e-3, 1e-3]),
    "area": np.array([1.0, 1e-6, float(LUTS_PER_BRAM18), 1e-3]),
}


@dataclass(frozen=True)
class Layer:
    """A layer's table and the cycles a frame of each of its foldings, shape (choices, memories)."""

    table: LayerTable
    cycles: FloatArray


@dataclass(frozen=True)
class Chain:
    """A choice a layer: positions in the tables' choices and memories, and the resources of all layers together."""

    lanes: tuple[int, ...]
    memories: tuple[int, ...]
    resources: FloatArray

    def within(self, budgets: FloatArray) -> bool:
        """Tell whether no budget is exceeded."""
        return bool(np.all(self.resources <= budgets))

    def cycles(self, layers: Sequence[Layer]) -> list[float]:
        """Return the cycles a frame of each layer by itself."""
        places = zip(layers, self.lanes, self.memories, strict=True)
        return [float(layer.cycles[lane, memory]) for layer, lane, memory in places]


@dataclass(frozen=True)
class Chains:
    """A chain a limit: positions of shape (limits, layers), resources (limits, 4); where none, `found` is False."""

    lanes: IndexArray
    memories: IndexArray
    resources: FloatArray
    found: NDArray[np.bool_]

    def chain(self, index: int) -> Chain | None:
        """Return one chain."""
        if not self.found[index]:
            return None
        lanes, memories = tuple(self.lanes[index].tolist()), tuple(self.memories[index].tolist())
        return Chain(lanes, memories, self.resources[index])


def cheapest(layers: Sequence[Layer], limit: float, prices: FloatArray) -> Chain | None:
    """Return the chain of the least price with no layer above `limit` cycles; None where there is none."""
    return cheapest_chains(layers, np.array([limit]), prices).chain(0)


def cheapest_chains(layers: Sequence[Layer], limits: FloatArray, prices: FloatArray) -> Chains:
    """Return the chain of the least price for each of many limits on a layer's cycles."""
    each = np.arange(len(limits))
    back: list[IndexArray] = []
    chosen: list[IndexArray] = []
    total = np.zeros((len(limits), 1))
    for layer in layers:
        allowed = layer.cycles[None] <= limits[:, None, None]
        own = np.where(allowed, (layer.table.own @ prices)[None], np.inf)
        chosen.append(own.argmin(axis=2))
        node = own.min(axis=2)
        if len(chosen) > 1:
            sums = total[:, :, None] + (layer.table.between @ prices)[None]
            back.append(sums.argmin(axis=1))
            node = node + sums.min(axis=1)
        total = node
    lanes = [total.argmin(axis=1)]
    for origin in reversed(back):
        lanes.append(origin[each, lanes[-1]])
    lanes.reverse()
    memories = [memory[each, lane] for memory, lane in zip(chosen, lanes, strict=True)]
    resources = np.zeros((len(limits), 4))
    for index, layer in enumerate(layers):
        resources = resources + layer.table.own[lanes[index], memories[index]]
        if index:
            resources = resources + layer.table.between[lanes[index - 1], lanes[index]]
    found = np.isfinite(total.min(axis=1))
    return Chains(np.stack(lanes, axis=1), np.stack(memories, axis=1), resources, found)


def chain_resources(layers: Sequence[Layer], lanes: Sequence[int], memories: Sequence[int]) -> FloatArray:
    """Return the resources of a choice."""
    total = np.zeros(4)
    for index, layer in enumerate(layers):
        total = total + layer.table.own[lanes[index], memories[index]]
        if index:
            total = total + layer.table.between[lanes[index - 1], lanes[index]]
    return total
