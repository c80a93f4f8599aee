"""The hardware figures of a design: resources, cycles, rate, latency and power, each with its 90 % interval."""

from __future__ import annotations

from collections.abc import Sequence

from fracdse.design import Design
from fracdse.figures import Figure, HardwareFigures
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve
from fracdse.hardware.layers import folded_specs, network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import option_cycles
from fracdse.hardware.power import power_figure
from fracdse.topology import GatedConvSpec


def estimate(design: Design, gates: GateStatistics | None = None, folding: Folding | None = None) -> HardwareFigures:
    """Return the figures of one design.

    Args:
        design: What to estimate.
        gates: Statistics of the trained network; without them the prior of `fracdse.hardware.cycles`.
        folding: The folding to take; solved where it is not given.

    Raises:
        InfeasibleError: No folding fits the device.
        ConfigError: The device is unknown, or the network cannot be built.
    """
    device = load_device(design.device)
    folding = folding or solve(design, gates)
    layers = network_layers(design)
    words = words_of(design, device.family)
    coefficients = coefficients_for(device.family)
    units = network_units(layers, folding, words)
    lut = sum(coefficients.predict(unit, "lut") for unit in units)
    ff = sum(coefficients.predict(unit, "ff") for unit in units)
    bram18 = sum(unit.bram18 for unit in units)
    dsp = sum(unit.dsp for unit in units)
    cycles = frame_cycles(design, folding, gates)
    clock = design.accelerator.clock_mhz
    return HardwareFigures(
        lut=_interval(lut, coefficients.network_half_width["lut"]),
        ff=_interval(ff, coefficients.network_half_width["ff"]),
        bram18=Figure.exact(bram18),
        dsp=Figure.exact(dsp),
        cycles_per_frame=_interval(cycles, 0.03),
        fps=_interval(clock * 1e6 / cycles, 0.03),
        latency_us=_interval(cycles * 1.5 / clock, 0.3),
        power_w=power_figure(lut, ff, bram18, dsp, clock),
    )


def estimate_many(designs: Sequence[Design]) -> list[HardwareFigures]:
    """Return the figures of many designs without gate statistics."""
    return [estimate(design) for design in designs]


def frame_cycles(design: Design, folding: Folding, gates: GateStatistics | None = None) -> float:
    """Return the cycles a frame of a dataflow accelerator: those of its slowest layer."""
    specs = folded_specs(network_layers(design))
    layer_gates = iter(gates.layers) if gates else None
    foldings = (folding.stem, *folding.convs, folding.classifier)
    return max(
        option_cycles(spec, layer.lanes, next(layer_gates) if layer_gates and isinstance(spec, GatedConvSpec) else None)
        for spec, layer in zip(specs, foldings, strict=True)
    )


def _interval(value: float, half_width: float) -> Figure:
    return Figure(value, value * (1 - half_width), value * (1 + half_width))
