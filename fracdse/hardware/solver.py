"""The exact search over tables of layer options; see `fracdse.hardware.folding` for what is solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fracdse.hardware.merge import merge
from fracdse.hardware.options import LayerOption
from fracdse.hardware.tables import KEYS, Preference, Resources, Table

_LARGEST_EXCESS = 1e9


@dataclass(frozen=True)
class Violation:
    """The smallest factor by which all limits must grow before anything fits, and what binds there."""

    factor: float
    resource: str
    chosen: tuple[LayerOption, ...]


def best_at(
    tables: Sequence[Table], limit: float, budgets: Resources, preference: Preference
) -> tuple[LayerOption, ...] | None:
    """Return the preferred option a layer, of at most `limit` cycles, with sums within the budgets, or None."""
    allowed = [table.allowed(limit) for table in tables]
    if not all(allowed) or _lower_bound_exceeds(tables, allowed, budgets):
        return None
    single = tuple(
        table.options[table.best[preference][count - 1]] for table, count in zip(tables, allowed, strict=True)
    )
    return single if _within(single, budgets) else _merged(tables, allowed, budgets, preference)


def fits_at(tables: Sequence[Table], limit: float, budgets: Resources) -> bool:
    """Tell whether any choice of at most `limit` cycles a layer stays within the budgets."""
    allowed = [table.allowed(limit) for table in tables]
    if not all(allowed) or _lower_bound_exceeds(tables, allowed, budgets):
        return False
    for preference in KEYS:
        picks = (table.options[table.best[preference][count - 1]] for table, count in zip(tables, allowed, strict=True))
        if _within(tuple(picks), budgets):
            return True
    return _merged(tables, allowed, budgets, "lut") is not None


def fastest_limit(tables: Sequence[Table], budgets: Resources) -> float | None:
    """Return the smallest cycle count of the slowest layer at which something fits; None where nothing ever does."""
    floor = max(table.cycles[0] for table in tables)
    limits = sorted({cycles for table in tables for cycles in table.cycles if cycles >= floor})
    low, high = 0, len(limits)
    while low < high:
        middle = (low + high) // 2
        if fits_at(tables, limits[middle], budgets):
            high = middle
        else:
            low = middle + 1
    return limits[low] if low < len(limits) else None


def least_violation(
    tables: Sequence[Table], limit: float | None, budgets: Resources, names: Sequence[str]
) -> Violation:
    """Find the smallest factor on all budgets (and on the cycle limit, where there is one) at which something fits.

    The factor is found by bisection to one part in 10,000; `resource` is the limit that is then most used, 'fps' being
    the cycle limit's name.
    """
    slowest = max(table.cycles[-1] for table in tables)

    def chosen(factor: float) -> tuple[LayerOption, ...] | None:
        grown = tuple(max(0.0, budget) * factor for budget in budgets)
        return best_at(tables, slowest if limit is None else limit * factor, grown, "lut")  # type: ignore[arg-type]

    low, high = 1.0, 2.0
    while chosen(high) is None and high < _LARGEST_EXCESS:
        low, high = high, high * 2
    while high / low > 1.0001:
        middle = (low * high) ** 0.5
        if chosen(middle) is None:
            low = middle
        else:
            high = middle
    best = chosen(high) or ()
    shares = {
        name: sum(option.resources[index] for option in best) / max(budgets[index], 1e-9)
        for index, name in enumerate(names)
    }
    if limit is not None and best:
        shares["fps"] = max(_cycles_of(table, option) for table, option in zip(tables, best, strict=True)) / limit
    binding = max(shares, key=lambda name: shares[name])
    return Violation(high, binding, best)


def _cycles_of(table: Table, option: LayerOption) -> float:
    return table.cycles[table.options.index(option)]


def _lower_bound_exceeds(tables: Sequence[Table], allowed: Sequence[int], budgets: Resources) -> bool:
    bounds = [table.least[count - 1] for table, count in zip(tables, allowed, strict=True)]
    return any(sum(bound[index] for bound in bounds) > budget for index, budget in enumerate(budgets))


def _within(options: Sequence[LayerOption], budgets: Resources) -> bool:
    return (
        sum(option.lut for option in options) <= budgets[0]
        and sum(option.ff for option in options) <= budgets[1]
        and sum(option.bram18 for option in options) <= budgets[2]
        and sum(option.dsp for option in options) <= budgets[3]
    )


def _merged(
    tables: Sequence[Table], allowed: Sequence[int], budgets: Resources, preference: Preference
) -> tuple[LayerOption, ...] | None:
    layers = [
        np.array([option.resources for option in table.options[:count]])
        for table, count in zip(tables, allowed, strict=True)
    ]
    front = merge(layers, np.array(budgets))
    best: tuple[LayerOption, ...] | None = None
    best_key: tuple[float, ...] = ()
    key = KEYS[preference]
    for row in front.choices:
        options = tuple(table.options[index] for table, index in zip(tables, row, strict=True))
        total = tuple(map(sum, zip(*map(key, options), strict=True)))
        if best is None or total < best_key:
            best, best_key = options, total
    return best
