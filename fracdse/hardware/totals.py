"""What a whole network takes, kept for all designs that differ only in what does not change it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache

from fracdse.design import Design
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.cycles import latency_cycles
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve_or_none, solver_layers
from fracdse.hardware.layers import awaited_layers, folded_specs, layer_foldings, network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import option_cycles, resources
from fracdse.topology import GatedConvSpec


@dataclass(frozen=True)
class Totals:
    """Resources of a network, cycles a frame of its slowest layer, cycles of one frame by itself."""

    lut: float
    ff: float
    bram18: int
    dsp: int
    cycles: float
    latency: float


def network_totals(design: Design, folding: Folding, gates: GateStatistics | None = None) -> Totals:
    """Add up a network with a given folding."""
    device = load_device(design.device)
    network = network_layers(design)
    coefficients = coefficients_for(device.family, device.die)
    units = network_units(network, folding, words_of(design, network, device.family))
    lut, ff, bram18, dsp = resources(units, coefficients)
    cycles = layer_cycle_counts(design, folding, gates)
    specs, foldings = folded_specs(network), layer_foldings(folding)
    latency = latency_cycles(specs, foldings, cycles)
    return Totals(lut, ff, int(bram18), int(dsp), max(cycles), latency)


def layer_cycle_counts(design: Design, folding: Folding, gates: GateStatistics | None = None) -> list[float]:
    """Return the cycles a frame of stem, gated convolutions and classifier."""
    statistics = iter(gates.layers) if gates else None
    cycles = []
    specs = folded_specs(network_layers(design))
    for spec, layer, awaited in zip(specs, layer_foldings(folding), awaited_layers(specs), strict=True):
        given = next(statistics) if statistics and isinstance(spec, GatedConvSpec) else None
        cycles.append(option_cycles(spec, layer, given, awaited))
    return cycles


def prior_totals(design: Design) -> Totals | None:
    """Return the totals of a design's best folding without gate statistics, from memory where they are known.

    None says that no folding fits.
    """
    return _solved(canonical(design))


def canonical(design: Design) -> Design:
    """Return the design that has the same folding and totals, with clock, rate and gate target brought to one value.

    A rate is only felt through the layers' cycle counts, so it becomes the highest one that allows the same foldings.
    """
    choices = design.accelerator
    network = replace(design.network, gate_threshold=0.0)
    if choices.folding == "fastest that fits" or choices.fps <= 0:
        return replace(design, network=network, accelerator=replace(choices, clock_mhz=1.0, fps=0.0))
    plain = replace(choices, clock_mhz=1.0, fps=0.0, lut_share=1.0)
    limits = _cycle_counts(replace(design, network=network, accelerator=plain))
    limit = choices.clock_mhz * 1e6 / choices.fps
    place = bisect_right(limits, limit * (1 + 1e-12))
    felt = limits[place - 1] if place else limit
    return replace(design, network=network, accelerator=replace(choices, clock_mhz=1.0, fps=1e6 / felt))


@lru_cache(maxsize=100_000)
def _cycle_counts(design: Design) -> tuple[float, ...]:
    """Return every cycle count that any layer can have, ascending."""
    network = network_layers(design)
    words = words_of(design, network, load_device(design.device).family)
    layers = solver_layers(folded_specs(network), words, None)
    return tuple(sorted({float(cycles) for layer in layers for cycles in layer.cycles.flat}))


@lru_cache(maxsize=200_000)
def _solved(design: Design) -> Totals | None:
    folding = solve_or_none(design)
    return None if folding is None else network_totals(design, folding)
