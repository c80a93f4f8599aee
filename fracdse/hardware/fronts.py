"""The chain of fewest LUTs within all budgets, exactly, by fronts of non-dominated sums in place of single sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.hardware.chains import Chain, IndexArray, Layer, chain_resources, cheapest
from fracdse.hardware.options import FloatArray
from fracdse.pareto import front_of_sorted

# LUTs and block RAM trade against each other: these prices of a block give cheap bounds on what can fit.
TRIED_PRICES = np.array([[1.0, 1e-6, price, 1e-3] for price in (1e-3, 8.0, 24.0, 64.0, 160.0, 1000.0)])


def priced_chains(layers: Sequence[Layer], limit: float) -> list[Chain]:
    """Return the cheapest chain for every price of a block RAM that is tried; empty where the limit allows none."""
    chains = [cheapest(layers, limit, prices) for prices in TRIED_PRICES]
    return [chain for chain in chains if chain is not None]


def possible(chains: Sequence[Chain], budgets: FloatArray) -> bool:
    """Tell whether every cheapest chain costs at most what the budgets cost at its prices; if not, nothing fits."""
    return bool(chains) and all(
        chain.resources @ prices <= budgets @ prices * (1 + 1e-9)
        for chain, prices in zip(chains, TRIED_PRICES, strict=True)
    )


def fewest_luts_within(layers: Sequence[Layer], limit: float, budgets: FloatArray) -> Chain | None:
    """Return the chain of fewest LUTs within all budgets, by merging fronts a layer; None where there is none.

    Only LUTs and block RAM are minded at first; a resource whose budget the result breaks is minded from then on. What
    is found without breaking any is the best, and where nothing is found nothing fits.
    """
    chains = priced_chains(layers, limit)
    if not possible(chains, budgets):
        return None
    known = [chain.resources[0] for chain in chains if chain.within(budgets)]
    bounds = budgets.copy()
    bounds[0] = min([budgets[0], *known])
    minded = np.array([True, False, True, False])
    while True:
        chain = _fewest_luts(layers, limit, bounds, minded)
        if chain is None or np.all(minded[chain.resources > budgets]):
            return chain
        minded = minded | (chain.resources > budgets)


@dataclass(frozen=True)
class _Front:
    """Partial chains that end in a layer: `sums` (n, 4), and of each its lanes, its memory and its place before."""

    sums: FloatArray
    lanes: IndexArray
    memories: IndexArray
    before: IndexArray

    def of(self, places: IndexArray) -> _Front:
        """Return some of them."""
        return _Front(self.sums[places], self.lanes[places], self.memories[places], self.before[places])


def _fewest_luts(layers: Sequence[Layer], limit: float, bounds: FloatArray, minded: NDArray[np.bool_]) -> Chain | None:
    """Return the chain of fewest LUTs within the bounds of the `minded` resources.

    A partial chain is dropped where what it takes and the least that the rest takes break a bound, at any of the tried
    prices.
    """
    prices = np.concatenate([np.eye(4), TRIED_PRICES]).T * minded[:, None]
    rest, allowed = _least_rest(layers, limit, prices), bounds @ prices * (1 + 1e-9) + 1e-9
    fronts: list[_Front] = []
    for layer, least in zip(layers, rest, strict=True):
        ends = [
            _ending_in(fronts[-1] if fronts else None, layer, lane, limit, allowed - least[lane], prices)
            for lane in range(len(layer.table.choices))
        ]
        joined = [_thinned(end, minded) for end in ends if len(end.lanes)]
        if not joined:
            return None
        fronts.append(_Front(*(np.concatenate(parts) for parts in zip(*map(_parts, joined), strict=True))))
    return _traced(layers, fronts)


def _ending_in(
    before: _Front | None, layer: Layer, lane: int, limit: float, allowed: FloatArray, prices: FloatArray
) -> _Front:
    """Return the partial chains that end in these lanes and cost no more than `allowed`."""
    memories = np.flatnonzero(layer.cycles[lane] <= limit)
    own = layer.table.own[lane, memories]
    if before is None:
        sums, places = own[:, None], np.zeros(1, dtype=np.int64)
    else:
        sums = own[:, None] + (before.sums + layer.table.between[before.lanes, lane])[None]
        places = np.arange(len(before.lanes))
    kept = np.all(sums @ prices <= allowed, axis=2)
    chosen, origin = np.nonzero(kept)
    return _Front(sums[kept], np.full(len(chosen), lane), memories[chosen], places[origin])


def _parts(front: _Front) -> tuple[FloatArray, IndexArray, IndexArray, IndexArray]:
    return front.sums, front.lanes, front.memories, front.before


def _thinned(front: _Front, minded: NDArray[np.bool_]) -> _Front:
    """Drop the chains that another one beats in all minded resources; of equal ones all but the first."""
    felt, unfelt = front.sums[:, minded], front.sums[:, ~minded]
    order = np.lexsort([*unfelt.T[::-1], *felt.T[::-1]])
    ordered = felt[order]
    distinct = np.concatenate([[True], np.any(ordered[1:] != ordered[:-1], axis=1)])
    places = order[distinct]
    return front.of(places[front_of_sorted(ordered[distinct])])


def _least_rest(layers: Sequence[Layer], limit: float, prices: FloatArray) -> list[FloatArray]:
    """Return, a layer and lane count, the least that all later layers cost at each price, shape (lanes, prices)."""
    rest = [np.zeros((len(layers[-1].table.choices), prices.shape[1]))]
    for layer in reversed(layers[1:]):
        own = np.where((layer.cycles <= limit)[:, :, None], layer.table.own @ prices, np.inf).min(axis=1)
        rest.append((layer.table.between @ prices + (own + rest[-1])[None, :, :]).min(axis=1))
    rest.reverse()
    return rest


def _traced(layers: Sequence[Layer], fronts: Sequence[_Front]) -> Chain:
    """Return the chain of fewest LUTs, from its end back to its first layer."""
    place = int(np.argmin(fronts[-1].sums[:, 0]))
    lanes, memories = [], []
    for front in reversed(fronts):
        lanes.append(int(front.lanes[place]))
        memories.append(int(front.memories[place]))
        place = int(front.before[place])
    lanes.reverse()
    memories.reverse()
    return Chain(tuple(lanes), tuple(memories), chain_resources(layers, lanes, memories))
