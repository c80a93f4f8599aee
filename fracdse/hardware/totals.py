"""What a whole network takes, kept for all designs that differ only in what does not change it."""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.design import Design
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.hardware.coefficients import Coefficients, coefficients_for
from fracdse.hardware.cycles import chain_cycles, latency_cycles
from fracdse.hardware.devices import load_device
from fracdse.hardware.layers import awaited_layers, folded_specs, layer_foldings, network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import option_cycles, resources
from fracdse.topology import GatedConvSpec


@dataclass(frozen=True)
class Totals:
    """Resources of a network, cycles from frame to frame, cycles of one frame by itself."""

    lut: float
    ff: float
    bram18: int
    dsp: int
    cycles: float
    latency: float


def network_totals(design: Design, folding: Folding, gates: GateStatistics | None = None) -> Totals:
    """Add up a network with a given folding."""
    device = load_device(design.device)
    lut, ff, bram18, dsp = network_resources(design, folding, coefficients_for(device.family, device.die))
    cycles = layer_cycle_counts(design, folding, gates)
    specs, foldings = folded_specs(network_layers(design)), layer_foldings(folding)
    frame, latency = chain_cycles(specs, foldings, cycles), latency_cycles(specs, foldings, cycles)
    return Totals(lut, ff, int(bram18), int(dsp), frame, latency)


def network_resources(
    design: Design, folding: Folding, coefficients: Coefficients
) -> tuple[float, float, float, float]:
    """Return the LUT, FF, BRAM18 and DSP of a network with a given folding, by given coefficients."""
    device, network = load_device(design.device), network_layers(design)
    units = network_units(network, folding, words_of(design, network, device.family, device.die))
    return resources(units, coefficients)


def layer_cycle_counts(design: Design, folding: Folding, gates: GateStatistics | None = None) -> list[float]:
    """Return the cycles a frame of stem, gated convolutions and classifier."""
    statistics = iter(gates.layers) if gates else None
    cycles = []
    specs = folded_specs(network_layers(design))
    for spec, layer, awaited in zip(specs, layer_foldings(folding), awaited_layers(specs), strict=True):
        given = next(statistics) if statistics and isinstance(spec, GatedConvSpec) else None
        cycles.append(option_cycles(spec, layer, given, awaited))
    return cycles
