"""The exact search over foldings: a chain in which a layer's cost depends on its own lanes and those before it.

With one measure (LUTs, or area) the best chain is found by dynamic programming over the lanes of the last layer. Where
its result breaks a budget, fronts of non-dominated sums a lane count replace single sums: exact again, and slower.
"""

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
    """A layer's table and the cycles a frame of each of its foldings, shape (lanes, memories)."""

    table: LayerTable
    cycles: FloatArray


@dataclass(frozen=True)
class Chain:
    """A choice a layer: positions in the tables' lanes and memories, and the resources of all layers together."""

    lanes: tuple[int, ...]
    memories: tuple[int, ...]
    resources: FloatArray

    def within(self, budgets: FloatArray) -> bool:
        """Tell whether no budget is exceeded."""
        return bool(np.all(self.resources <= budgets))


def cheapest(layers: Sequence[Layer], limit: float, prices: FloatArray) -> Chain | None:
    """Return the chain of the least price with no layer above `limit` cycles; None where there is none."""
    total: FloatArray | None = None
    back: list[IndexArray] = []
    chosen: list[IndexArray] = []
    for layer in layers:
        own = np.where(layer.cycles <= limit, layer.table.own @ prices, np.inf)
        memory = own.argmin(axis=1)
        node = own[np.arange(len(own)), memory]
        if total is not None:
            sums = total[:, None] + layer.table.between @ prices
            origin = sums.argmin(axis=0)
            back.append(origin)
            node = node + sums[origin, np.arange(sums.shape[1])]
        chosen.append(memory)
        total = node
    if total is None or not np.isfinite(total.min()):
        return None
    lanes = [int(total.argmin())]
    for origin in reversed(back):
        lanes.append(int(origin[lanes[-1]]))
    lanes.reverse()
    memories = [int(memory[lane]) for memory, lane in zip(chosen, lanes, strict=True)]
    return Chain(tuple(lanes), tuple(memories), chain_resources(layers, lanes, memories))


def chain_resources(layers: Sequence[Layer], lanes: Sequence[int], memories: Sequence[int]) -> FloatArray:
    """Return the resources of a choice."""
    total = np.zeros(4)
    for index, layer in enumerate(layers):
        total = total + layer.table.own[lanes[index], memories[index]]
        if index:
            total = total + layer.table.between[lanes[index - 1], lanes[index]]
    return total


def best_within(layers: Sequence[Layer], limit: float, budgets: FloatArray, preference: Preference) -> Chain | None:
    """Return a chain of at most `limit` cycles a layer within the budgets, or None where there is none.

    It is the cheapest one by `preference`; where that one breaks a budget, the one of fewest LUTs within the budgets.
    """
    for name in dict.fromkeys((preference, "lut")):
        chain = cheapest(layers, limit, PRICES[name])
        if chain is None or chain.within(budgets):
            return chain
    if chain is not None and chain.resources[0] > budgets[0] * (1 + 1e-9) + 1.0:
        return None
    return fewest_luts_within(layers, limit, budgets)


def fewest_luts_within(layers: Sequence[Layer], limit: float, budgets: FloatArray) -> Chain | None:
    """Return the chain of fewest LUTs within all budgets, by merging fronts a layer; None where there is none."""
    rest = _least_rest(layers, limit)
    if rest is None:
        return None
    fronts: list[list[tuple[FloatArray, IndexArray]]] = []
    for index, layer in enumerate(layers):
        row: list[tuple[FloatArray, IndexArray]] = []
        for lane in range(len(layer.table.lanes)):
            sums, origin = np.zeros((0, 4)), np.zeros((0, 3), dtype=np.int64)
            memories = np.flatnonzero(layer.cycles[lane] <= limit)
            if len(memories):
                sums, origin = _arrivals(fronts[-1] if fronts else None, layer, lane, memories)
            keep = np.flatnonzero(np.all(sums + rest[index][lane] <= budgets * (1 + 1e-12), axis=1))
            keep = keep[nondominated(sums[keep])]
            row.append((sums[keep], origin[keep]))
        fronts.append(row)
    return _least_of(layers, fronts)


def _arrivals(
    before: list[tuple[FloatArray, IndexArray]] | None, layer: Layer, lane: int, memories: IndexArray
) -> tuple[FloatArray, IndexArray]:
    """Return all sums that end in this lane count, with (lane before, place in its front, memory) of each."""
    own = layer.table.own[lane]
    if before is None:
        origin = np.stack([np.zeros_like(memories), np.zeros_like(memories), memories], axis=1)
        return own[memories], origin
    sums, origins = [], []
    for earlier, (front, _) in enumerate(before):
        for memory in memories:
            sums.append(front + (own[memory] + layer.table.between[earlier, lane]))
            places = np.arange(len(front))
            origins.append(np.stack([np.full_like(places, earlier), places, np.full_like(places, memory)], axis=1))
    return np.concatenate(sums), np.concatenate(origins)


def _least_rest(layers: Sequence[Layer], limit: float) -> list[FloatArray] | None:
    """Return, a layer and lane count, the least of each resource that all later layers take, shape (lanes, 4)."""
    rest = [np.zeros((len(layers[-1].table.lanes), 4))]
    for layer in reversed(layers[1:]):
        own = np.where((layer.cycles <= limit)[:, :, None], layer.table.own, np.inf).min(axis=1)
        rest.append((layer.table.between + (own + rest[-1])[None, :, :]).min(axis=1))
    rest.reverse()
    return rest if np.isfinite(rest[0]).any() else None


def _least_of(layers: Sequence[Layer], fronts: list[list[tuple[FloatArray, IndexArray]]]) -> Chain | None:
    ends = [
        (float(sums[place, 0]), lane, place) for lane, (sums, _) in enumerate(fronts[-1]) for place in range(len(sums))
    ]
    if not ends:
        return None
    _, lane, place = min(ends)
    lanes, memories = [], []
    for row in reversed(fronts):
        earlier, before, memory = row[lane][1][place]
        lanes.append(lane)
        memories.append(int(memory))
        lane, place = int(earlier), int(before)
    lanes.reverse()
    memories.reverse()
    return Chain(tuple(lanes), tuple(memories), chain_resources(layers, lanes, memories))


def nondominated(points: FloatArray) -> IndexArray:
    """Return the indices of the points that no other point beats in all columns; of equal points the first.

    Args:
        points: Shape (points, columns); smaller is better.
    """
    kept: list[int] = []
    values = np.empty_like(points)
    for index in np.lexsort(points.T[::-1]):
        point = points[index]
        if not np.any(np.all(values[: len(kept)] <= point, axis=1)):
            values[len(kept)] = point
            kept.append(int(index))
    return np.array(kept, dtype=np.int64)


def fastest_limit(layers: Sequence[Layer], budgets: FloatArray) -> float | None:
    """Return the smallest cycle count of the slowest layer at which something fits; None where nothing ever does."""
    floor = max(float(layer.cycles.min()) for layer in layers)
    limits = sorted({float(cycles) for layer in layers for cycles in layer.cycles.flat if cycles >= floor})
    low, high = 0, len(limits)
    while low < high:
        middle = (low + high) // 2
        if best_within(layers, limits[middle], budgets, "lut") is not None:
            high = middle
        else:
            low = middle + 1
    return limits[low] if low < len(limits) else None
