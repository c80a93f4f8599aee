"""The hardware figures of a design: resources, cycles, rate, latency and power, each with its 90 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fracdse.compact_plan import LANES
from fracdse.design import Design
from fracdse.figures import Figure, HardwareFigures
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.compact import network_plan
from fracdse.hardware.compact_estimate import (
    checked_compact_figures,
    compact_figures,
    compact_times_of,
    compact_totals,
)
from fracdse.hardware.devices import load_device
from fracdse.hardware.engine import engine_parameters, engine_resources
from fracdse.hardware.engine_cycles import engine_cycles
from fracdse.hardware.folding import solve
from fracdse.hardware.layers import folded_specs, layer_foldings, network_units, words_of
from fracdse.hardware.many import many_totals
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import resources
from fracdse.hardware.power import power_figure
from fracdse.hardware.totals import Totals, layer_cycle_counts, network_totals

# Half widths of relative 90 % intervals that no fit gives: what simulated networks showed for cycles with measured
# gates and for latency; the prior's share of open gates, or a proxy's; and the engine's structural counts, whose errors
# on the two released accelerators stay within these. `fracdse calibrate --check` prints how many networks lie inside.
CYCLES_HALF_WIDTH = 0.04
CYCLES_PRIOR_HALF_WIDTH = 0.10
LATENCY_HALF_WIDTH = 0.08
ENGINE_HALF_WIDTHS = {"lut": 0.15, "ff": 0.5, "bram18": 0.15, "dsp": 0.10, "cycles": 0.10}


@dataclass(frozen=True)
class LayerFigures:
    """What one layer takes; 'system' stands for what belongs to no layer."""

    name: str
    lanes: int
    slices: int
    weight_memory: str
    lut: float
    ff: float
    bram18: int
    dsp: int
    cycles: float


def estimate(
    design: Design, gates: GateStatistics | None = None, folding: Folding | None = None, *, of_proxy: bool = False
) -> HardwareFigures:
    """Return the figures of one design.

    Args:
        design: What to estimate.
        gates: Statistics of the trained network; without them the prior of `fracdse.hardware.cycles`.
        folding: The folding to take; solved where it is not given. Compact accelerators and engines have none.
        of_proxy: Whether the statistics are those of a proxy, whose gates open differently from those of the network
            that is trained in full.

    Raises:
        InfeasibleError: No folding fits the device, or a compact accelerator does not.
        ConfigError: The device is unknown, or the network cannot be built.
    """
    if design.accelerator.architecture == "engine":
        return _engine(design)
    if design.accelerator.architecture == "compact":
        return checked_compact_figures(design)
    totals = many_totals([design])[0] if gates is None and folding is None else None
    if totals is None or _misses_rate(design, totals):
        totals = network_totals(design, folding or solve(design, gates), gates)
    return _figures(design, totals, CYCLES_PRIOR_HALF_WIDTH if gates is None or of_proxy else CYCLES_HALF_WIDTH)


def _misses_rate(design: Design, totals: Totals) -> bool:
    choices = design.accelerator
    return choices.folding == "smallest at fps" and totals.cycles * choices.fps > choices.clock_mhz * 1e6 * (1 + 1e-9)


def estimate_many(designs: Sequence[Design]) -> list[HardwareFigures | None]:
    """Return the figures of many designs without gate statistics; None where nothing of it fits the device.

    Designs that differ only in clock, rate or gate target share one solution.

    Raises:
        ConfigError: A device is unknown, or a network cannot be built.
    """
    dataflow = [design for design in designs if design.accelerator.architecture == "dataflow"]
    totals = iter(many_totals(dataflow))
    figures: list[HardwareFigures | None] = []
    for design in designs:
        if design.accelerator.architecture == "engine":
            figures.append(_engine(design))
        elif design.accelerator.architecture == "compact":
            figures.append(compact_figures(design))
        else:
            found = next(totals)
            figures.append(_figures(design, found, CYCLES_PRIOR_HALF_WIDTH) if found else None)
    return figures


def _figures(design: Design, totals: Totals, spread: float) -> HardwareFigures:
    device, clock = load_device(design.device), design.accelerator.clock_mhz
    widths = coefficients_for(device.family, device.die).network_half_width
    rate = clock * 1e6 / totals.cycles
    return HardwareFigures(
        lut=Figure.around(totals.lut, widths["lut"]),
        ff=Figure.around(totals.ff, widths["ff"]),
        bram18=Figure.exact(totals.bram18),
        dsp=Figure.exact(totals.dsp),
        cycles_per_frame=Figure.around(totals.cycles, spread),
        fps=Figure(rate, rate / (1 + spread), rate / (1 - spread)),
        latency_us=Figure.around(totals.latency / clock, LATENCY_HALF_WIDTH),
        power_w=power_figure(device.family, totals.lut, totals.bram18, totals.dsp, clock),
    )


def layer_figures(
    design: Design, gates: GateStatistics | None = None, folding: Folding | None = None
) -> tuple[LayerFigures, ...]:
    """Return the figures of every layer and, last, of 'system'.

    What stands between two layers of a dataflow accelerator counts for the later one. The layers of a compact one take
    its units in turn: all resources are those of 'system'.

    Raises:
        InfeasibleError: No folding fits the device.
        ConfigError: The device is unknown, the network cannot be built, or the architecture has no layers' units.
    """
    if design.accelerator.architecture == "compact":
        return _compact_layers(design)
    device = load_device(design.device)
    folding = folding or solve(design, gates, device)
    network = network_layers(design)
    specs = folded_specs(network)
    coefficients = coefficients_for(device.family, device.die)
    units = network_units(network, folding, words_of(design, network, device.family, device.die))
    rows = [
        (spec.name, layer.lanes, layer.slices, layer.weight_memory)
        for spec, layer in zip(specs, layer_foldings(folding), strict=True)
    ]
    cycles = {spec.name: value for spec, value in zip(specs, layer_cycle_counts(design, folding, gates), strict=True)}
    figures = []
    for name, lanes, slices, memory in [*rows[:-1], ("pool", 0, 1, ""), rows[-1], ("system", 0, 1, "")]:
        lut, ff, bram18, dsp = resources(tuple(unit for unit in units if unit.layer == name), coefficients)
        figures.append(LayerFigures(name, lanes, slices, memory, lut, ff, int(bram18), int(dsp), cycles.get(name, 0.0)))
    return tuple(figures)


def _compact_layers(design: Design) -> tuple[LayerFigures, ...]:
    totals, times = compact_totals(design), compact_times_of(design)
    names = [*(layer.name for layer in network_plan(design).layers), "pool", "classifier"]
    cycles = [*times.layers, 0, times.classifier]
    rows = [
        LayerFigures(name, LANES if count else 0, 1, "", 0.0, 0.0, 0, 0, float(count))
        for name, count in zip(names, cycles, strict=True)
    ]
    rows[-1] = replace(rows[-1], lanes=1)
    return (*rows, LayerFigures("system", 0, 1, "", totals.lut, totals.ff, totals.bram18, totals.dsp, 0.0))


def _engine(design: Design) -> HardwareFigures:
    parameters = engine_parameters(design)
    counted, cycles = engine_resources(design, parameters), engine_cycles(design, parameters)
    device, clock, widths = load_device(design.device), design.accelerator.clock_mhz, ENGINE_HALF_WIDTHS
    rate, spread = clock * 1e6 / cycles, widths["cycles"]
    return HardwareFigures(
        lut=Figure.around(counted.lut, widths["lut"]),
        ff=Figure.around(counted.ff, widths["ff"]),
        bram18=Figure.around(counted.bram18, widths["bram18"]),
        dsp=Figure.around(counted.dsp, widths["dsp"]),
        cycles_per_frame=Figure.around(cycles, spread),
        fps=Figure(rate, rate / (1 + spread), rate / (1 - spread)),
        latency_us=Figure.around(cycles / clock, spread),
        power_w=power_figure(device.family, counted.lut, counted.bram18, counted.dsp, clock),
    )
