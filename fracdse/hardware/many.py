"""What many designs take: those that differ only in clock, rate or gate target share tables and are solved together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache

import numpy as np

from fracdse.design import AcceleratorChoices, Design, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.hardware.chains import PRICES, Chain, cheapest_chains
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.cycles import chain_cycles, latency_cycles
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import as_folding, layer_budgets, solver_layers
from fracdse.hardware.layers import folded_specs, layer_foldings, shared_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import resources
from fracdse.hardware.solver import best_within, fastest_limit
from fracdse.hardware.totals import Totals

_NETWORK = tuple(choice.name for choice in fields(NetworkChoices) if choice.name != "gate_threshold")
_ACCELERATOR = tuple(
    choice.name for choice in fields(AcceleratorChoices) if choice.name not in ("clock_mhz", "fps", "folding")
)


@dataclass(frozen=True)
class _Kind:
    """What decides a design's tables and budgets; `design` is any one of the kind."""

    key: Hashable
    design: Design = field(compare=False)


def many_totals(designs: Sequence[Design]) -> list[Totals | None]:
    """Return the totals of dataflow designs with their best foldings, gates as the prior says; None: nothing fits.

    Raises:
        ConfigError: A device is unknown, a network cannot be built, or a goal has no rate.
    """
    indices: dict[_Kind, list[int]] = {}
    for index, design in enumerate(designs):
        indices.setdefault(_kind(design), []).append(index)
    totals: list[Totals | None] = [None] * len(designs)
    for kind, members in indices.items():
        group = _group(kind)
        group.solve([designs[index].accelerator for index in members])
        for index in members:
            totals[index] = group.totals(designs[index].accelerator)
    return totals


def _kind(design: Design) -> _Kind:
    network, accelerator = design.network.__dict__, design.accelerator.__dict__
    chosen = tuple([network[name] for name in _NETWORK]), tuple([accelerator[name] for name in _ACCELERATOR])
    return _Kind((design.device, design.image, *chosen), design)


@lru_cache(maxsize=10_000)
def _group(kind: _Kind) -> _Group:
    return _Group(kind.design)


class _Group:
    """Designs of one kind. A rate is only felt through the layers' cycle counts: the limit is the next one below."""

    def __init__(self, design: Design) -> None:
        device = load_device(design.device)
        network = network_layers(design)
        self._coefficients = coefficients_for(device.family, device.die)
        self._specs = folded_specs(network)
        self._layers = solver_layers(self._specs, words_of(design, network, device.family, device.die), None)
        self._budgets = layer_budgets(design, self._specs, device)
        self._limits = np.unique([cycles for layer in self._layers for cycles in layer.cycles.flat])
        self._shared = np.array(resources(shared_units(self._specs), self._coefficients))
        self._by_limit: dict[int, Totals | None] = {}
        self._by_chain: dict[tuple[tuple[int, ...], tuple[int, ...]], Totals] = {}

    def solve(self, choices: Sequence[AcceleratorChoices]) -> None:
        """Solve for all goals that occur and have not been solved."""
        felt = {self._felt(choice) for choice in choices} - set(self._by_limit)
        rates = sorted(felt - {-1})
        if -1 in felt:
            self._by_limit[-1] = self._fastest()
        for place in rates:
            if place == 0:
                self._by_limit[0] = None
        places = [place for place in rates if place]
        if places:
            limits = self._limits[np.array(places) - 1]
            chains = cheapest_chains(self._layers, limits, PRICES["lut"])
            for index, place in enumerate(places):
                chain = chains.chain(index)
                if chain is not None and not chain.within(self._budgets):
                    chain = best_within(self._layers, float(limits[index]), self._budgets, "lut")
                self._by_limit[place] = self._counted(chain)

    def totals(self, choice: AcceleratorChoices) -> Totals | None:
        """Return the totals of a design whose goal has been solved."""
        return self._by_limit[self._felt(choice)]

    def _felt(self, choice: AcceleratorChoices) -> int:
        """Return how many cycle counts a rate allows; −1 where the goal is the highest rate."""
        if choice.folding == "fastest that fits":
            return -1
        if choice.fps <= 0:
            raise ConfigError(f"accelerator.fps = {choice.fps} must be above 0 for the goal 'smallest at fps'")
        return bisect_right(self._limits, choice.clock_mhz * 1e6 / choice.fps * (1 + 1e-12))

    def _fastest(self) -> Totals | None:
        limit = fastest_limit(self._layers, self._budgets)
        return None if limit is None else self._counted(best_within(self._layers, limit, self._budgets, "area"))

    def _counted(self, chain: Chain | None) -> Totals | None:
        if chain is None:
            return None
        key = chain.lanes, chain.memories
        if key not in self._by_chain:
            self._by_chain[key] = self._added(chain)
        return self._by_chain[key]

    def _added(self, chain: Chain) -> Totals:
        lut, ff, bram18, dsp = chain.resources + self._shared
        cycles = chain.cycles(self._layers)
        foldings = layer_foldings(as_folding(self._specs, self._layers, chain))
        latency = latency_cycles(self._specs, foldings, cycles)
        frame = chain_cycles(self._specs, foldings, cycles)
        return Totals(float(lut), float(ff), round(bram18), round(dsp), frame, latency)
