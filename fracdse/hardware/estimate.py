"""The hardware figures of a design: resources, cycles, rate, latency and power, each with its 90 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fracdse.design import Design
from fracdse.figures import Figure, HardwareFigures
from fracdse.folding import Folding
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware.coefficients import Coefficients, coefficients_for
from fracdse.hardware.cycles import latency_cycles
from fracdse.hardware.devices import Device, load_device
from fracdse.hardware.engine import engine_parameters, engine_resources
from fracdse.hardware.engine_cycles import engine_cycles
from fracdse.hardware.folding import solve
from fracdse.hardware.layers import FoldedSpec, folded_specs, layer_foldings, network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import option_cycles, resources
from fracdse.hardware.power import power_figure
from fracdse.topology import GatedConvSpec

# Half widths of relative 90 % intervals that no fit gives: cycles without and with measured gates (what the schedule
# must keep to), and the engine's structural counts, whose errors on the two released accelerators stay within these.
CYCLES_HALF_WIDTH = 0.03
CYCLES_PRIOR_HALF_WIDTH = 0.10
LATENCY_HALF_WIDTH = 0.10
ENGINE_HALF_WIDTHS = {"lut": 0.15, "ff": 0.5, "bram18": 0.15, "dsp": 0.10, "cycles": 0.10}


@dataclass(frozen=True)
class LayerFigures:
    """What one layer takes; 'system' stands for what belongs to no layer."""

    name: str
    lanes: int
    weight_memory: str
    lut: float
    ff: float
    bram18: int
    dsp: int
    cycles: float


def estimate(design: Design, gates: GateStatistics | None = None, folding: Folding | None = None) -> HardwareFigures:
    """Return the figures of one design.

    Args:
        design: What to estimate.
        gates: Statistics of the trained network; without them the prior of `fracdse.hardware.cycles`.
        folding: The folding to take; solved where it is not given. An engine has none.

    Raises:
        InfeasibleError: No folding fits the device.
        ConfigError: The device is unknown, or the network cannot be built.
    """
    device = load_device(design.device)
    if design.accelerator.architecture == "engine":
        return _engine(design)
    folding = folding or solve(design, gates, device)
    layers = layer_figures(design, gates, folding)
    coefficients = coefficients_for(device.family, device.die)
    lut, ff = sum(layer.lut for layer in layers), sum(layer.ff for layer in layers)
    bram18, dsp = sum(layer.bram18 for layer in layers), sum(layer.dsp for layer in layers)
    return _figures(
        design,
        device,
        coefficients,
        (lut, ff, bram18, dsp),
        max(layer.cycles for layer in layers),
        latency_cycles(folded_specs(network_layers(design)), [layer.cycles for layer in layers if layer.lanes]),
        measured_gates=gates is not None,
    )


def _figures(
    design: Design,
    device: Device,
    coefficients: Coefficients,
    used: tuple[float, float, int, int],
    cycles: float,
    latency: float,
    *,
    measured_gates: bool,
) -> HardwareFigures:
    lut, ff, bram18, dsp = used
    clock = design.accelerator.clock_mhz
    spread = CYCLES_HALF_WIDTH if measured_gates else CYCLES_PRIOR_HALF_WIDTH
    return HardwareFigures(
        lut=interval(lut, coefficients.network_half_width["lut"]),
        ff=interval(ff, coefficients.network_half_width["ff"]),
        bram18=Figure.exact(bram18),
        dsp=Figure.exact(dsp),
        cycles_per_frame=interval(cycles, spread),
        fps=Figure(clock * 1e6 / cycles, clock * 1e6 / cycles / (1 + spread), clock * 1e6 / cycles / (1 - spread)),
        latency_us=interval(latency / clock, LATENCY_HALF_WIDTH),
        power_w=power_figure(device.family, lut, bram18, dsp, clock),
    )


def layer_figures(
    design: Design, gates: GateStatistics | None = None, folding: Folding | None = None
) -> tuple[LayerFigures, ...]:
    """Return the figures of every layer of a dataflow accelerator and, last, of 'system'.

    What stands between two layers counts for the later one.

    Raises:
        InfeasibleError: No folding fits the device.
        ConfigError: The device is unknown, the network cannot be built, or the architecture has no layers' units.
    """
    device = load_device(design.device)
    folding = folding or solve(design, gates, device)
    network = network_layers(design)
    specs = folded_specs(network)
    coefficients = coefficients_for(device.family, device.die)
    units = network_units(network, folding, words_of(design, network, device.family))
    rows = [
        (spec.name, layer.lanes, layer.weight_memory)
        for spec, layer in zip(specs, layer_foldings(folding), strict=True)
    ]
    cycles = {spec.name: value for spec, value in zip(specs, _layer_cycles(specs, folding, gates), strict=True)}
    figures = []
    for name, lanes, memory in [*rows[:-1], ("pool", 0, ""), rows[-1], ("system", 0, "")]:
        lut, ff, bram18, dsp = resources(tuple(unit for unit in units if unit.layer == name), coefficients)
        figures.append(LayerFigures(name, lanes, memory, lut, ff, int(bram18), int(dsp), cycles.get(name, 0.0)))
    return tuple(figures)


def estimate_many(designs: Sequence[Design]) -> list[HardwareFigures]:
    """Return the figures of many designs without gate statistics."""
    return [estimate(design) for design in designs]


def frame_cycles(design: Design, folding: Folding, gates: GateStatistics | None = None) -> float:
    """Return the cycles a frame of a dataflow accelerator: those of its slowest layer."""
    return max(_layer_cycles(folded_specs(network_layers(design)), folding, gates))


def _layer_cycles(specs: Sequence[FoldedSpec], folding: Folding, gates: GateStatistics | None) -> list[float]:
    statistics = iter(gates.layers) if gates else None
    cycles = []
    for spec, layer in zip(specs, layer_foldings(folding), strict=True):
        given: LayerGates | None = next(statistics) if statistics and isinstance(spec, GatedConvSpec) else None
        cycles.append(option_cycles(spec, layer.lanes, layer.weight_memory, given))
    return cycles


def _engine(design: Design) -> HardwareFigures:
    parameters = engine_parameters(design)
    counted, cycles = engine_resources(design, parameters), engine_cycles(design, parameters)
    device, clock, widths = load_device(design.device), design.accelerator.clock_mhz, ENGINE_HALF_WIDTHS
    rate, spread = clock * 1e6 / cycles, widths["cycles"]
    return HardwareFigures(
        lut=interval(counted.lut, widths["lut"]),
        ff=interval(counted.ff, widths["ff"]),
        bram18=interval(counted.bram18, widths["bram18"]),
        dsp=interval(counted.dsp, widths["dsp"]),
        cycles_per_frame=interval(cycles, spread),
        fps=Figure(rate, rate / (1 + spread), rate / (1 - spread)),
        latency_us=interval(cycles / clock, spread),
        power_w=power_figure(device.family, counted.lut, counted.bram18, counted.dsp, clock),
    )


def interval(value: float, half_width: float) -> Figure:
    """Return an estimated figure with a relative half width."""
    return Figure(value, value * (1 - half_width), value * (1 + half_width))
