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
# LUTs and block RAM trade against each other: these prices of a block give cheap bounds on what can fit.
_TRIED_PRICES = np.array([[1.0, 1e-6, price, 1e-3] for price in (1e-3, 8.0, 24.0, 64.0, 160.0, 1000.0)])


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


def best_within(layers: Sequence[Layer], limit: float, budgets: FloatArray, preference: Preference) -> Chain | None:
    """Return a chain of at most `limit` cycles a layer within the budgets, or None where there is none.

    It is the cheapest one by `preference`; where that one breaks a budget, the one of fewest LUTs within the budgets.
    """
    for name in dict.fromkeys((preference, "lut")):
        chain = cheapest(layers, limit, PRICES[name])
        if chain is None or chain.within(budgets):
            return chain
    return fewest_luts_within(layers, limit, budgets)


def fits(layers: Sequence[Layer], limit: float, budgets: FloatArray) -> bool:
    """Tell whether any chain of at most `limit` cycles a layer stays within the budgets."""
    chains = _priced_chains(layers, limit)
    if any(chain.within(budgets) for chain in chains):
        return True
    return _possible(chains, budgets) and fewest_luts_within(layers, limit, budgets) is not None


def _priced_chains(layers: Sequence[Layer], limit: float) -> list[Chain]:
    """Return the cheapest chain for every price of a block RAM that is tried; empty where the limit allows none."""
    chains = [cheapest(layers, limit, prices) for prices in _TRIED_PRICES]
    return [chain for chain in chains if chain is not None]


def _possible(chains: Sequence[Chain], budgets: FloatArray) -> bool:
    """Tell whether every cheapest chain costs at most what the budgets cost at its prices; if not, nothing fits."""
    return bool(chains) and all(
        chain.resources @ prices <= budgets @ prices * (1 + 1e-9)
        for chain, prices in zip(chains, _TRIED_PRICES, strict=True)
    )


def fewest_luts_within(layers: Sequence[Layer], limit: float, budgets: FloatArray) -> Chain | None:
    """Return the chain of fewest LUTs within all budgets, by merging fronts a layer; None where there is none.

    A partial chain is dropped where what it takes and the least that the rest takes break a budget, at any of the tried
    prices, or reach more LUTs than a chain that is already known to fit.
    """
    chains = _priced_chains(layers, limit)
    if not _possible(chains, budgets):
        return None
    known = [chain.resources[0] for chain in chains if chain.within(budgets)]
    bounds = budgets.copy()
    bounds[0] = min([budgets[0], *known])
    prices = np.concatenate([np.eye(4), _TRIED_PRICES]).T
    rest, allowed = _least_rest(layers, limit, prices), bounds @ prices * (1 + 1e-9) + 1e-9
    fronts: list[list[tuple[FloatArray, IndexArray]]] = []
    for index, layer in enumerate(layers):
        row: list[tuple[FloatArray, IndexArray]] = []
        for lane in range(len(layer.table.choices)):
            sums, origin = np.zeros((0, 4)), np.zeros((0, 3), dtype=np.int64)
            memories = np.flatnonzero(layer.cycles[lane] <= limit)
            if len(memories):
                sums, origin = _arrivals(fronts[-1] if fronts else None, layer, lane, memories)
            keep = np.flatnonzero(np.all(sums @ prices + rest[index][lane] <= allowed, axis=1))
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
        if not len(front):
            continue
        for memory in memories:
            sums.append(front + (own[memory] + layer.table.between[earlier, lane]))
            places = np.arange(len(front))
            origins.append(np.stack([np.full_like(places, earlier), places, np.full_like(places, memory)], axis=1))
    if not sums:
        return np.zeros((0, 4)), np.zeros((0, 3), dtype=np.int64)
    return np.concatenate(sums), np.concatenate(origins)


def _least_rest(layers: Sequence[Layer], limit: float, prices: FloatArray) -> list[FloatArray]:
    """Return, a layer and lane count, the least that all later layers cost at each price, shape (lanes, prices)."""
    rest = [np.zeros((len(layers[-1].table.choices), prices.shape[1]))]
    for layer in reversed(layers[1:]):
        own = np.where((layer.cycles <= limit)[:, :, None], layer.table.own @ prices, np.inf).min(axis=1)
        rest.append((layer.table.between @ prices + (own + rest[-1])[None, :, :]).min(axis=1))
    rest.reverse()
    return rest


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
    """Return the smallest cycle count of the slowest layer at which something fits; None where nothing ever does.

    The chains of the tried prices, for all limits at once, leave only the limits between the last that is impossible
    and the first that is known to fit to a closer look.
    """
    floor = max(float(layer.cycles.min()) for layer in layers)
    limits = np.unique([cycles for layer in layers for cycles in layer.cycles.flat if cycles >= floor])
    fitting, possible = np.zeros(len(limits), dtype=bool), np.ones(len(limits), dtype=bool)
    for prices in _TRIED_PRICES:
        chains = cheapest_chains(layers, limits, prices)
        fitting |= chains.found & np.all(chains.resources <= budgets, axis=1)
        possible &= chains.found & (chains.resources @ prices <= budgets @ prices * (1 + 1e-9))
    low = int(np.argmax(possible)) if possible.any() else len(limits)
    high = int(np.argmax(fitting)) if fitting.any() else len(limits)
    while low < high:
        middle = (low + high) // 2
        if fits(layers, float(limits[middle]), budgets):
            high = middle
        else:
            low = middle + 1
    return float(limits[low]) if low < len(limits) else None
