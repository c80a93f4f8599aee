"""The exact search over foldings of a chain.

With one measure (LUTs, or area) the best chain is found by dynamic programming over the lanes of the last layer. Where
its result breaks a budget, `fewest_luts_within` finds the best that does not: exact again, and slower.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fracdse.hardware.chains import PRICES, Chain, Layer, Preference, cheapest, cheapest_chains
from fracdse.hardware.fronts import TRIED_PRICES, fewest_luts_within, possible, priced_chains
from fracdse.hardware.options import FloatArray


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
    chains = priced_chains(layers, limit)
    if any(chain.within(budgets) for chain in chains):
        return True
    return possible(chains, budgets) and fewest_luts_within(layers, limit, budgets) is not None


def fastest_limit(layers: Sequence[Layer], budgets: FloatArray) -> float | None:
    """Return the smallest cycle count of the slowest layer at which something fits; None where nothing ever does.

    The chains of the tried prices, for all limits at once, leave only the limits between the last that is impossible
    and the first that is known to fit to a closer look.
    """
    floor = max(float(layer.cycles.min()) for layer in layers)
    limits = np.unique([cycles for layer in layers for cycles in layer.cycles.flat if cycles >= floor])
    fitting, hopeful = np.zeros(len(limits), dtype=bool), np.ones(len(limits), dtype=bool)
    for prices in TRIED_PRICES:
        chains = cheapest_chains(layers, limits, prices)
        fitting |= chains.found & np.all(chains.resources <= budgets, axis=1)
        hopeful &= chains.found & (chains.resources @ prices <= budgets @ prices * (1 + 1e-9))
    low = int(np.argmax(hopeful)) if hopeful.any() else len(limits)
    high = int(np.argmax(fitting)) if fitting.any() else len(limits)
    while low < high:
        middle = (low + high) // 2
        if fits(layers, float(limits[middle]), budgets):
            high = middle
        else:
            low = middle + 1
    return float(limits[low]) if low < len(limits) else None
