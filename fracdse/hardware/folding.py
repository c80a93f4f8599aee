"""Folding, solved exactly: the highest rate that fits a budget, or the fewest LUTs that reach a rate.

Both goals allow in each layer the lane counts of at most T cycles and look for the best choice within the budgets of
LUT, FF, BRAM18 and DSP. 'smallest at fps' has T = clock / fps and takes the fewest LUTs. 'fastest that fits' has the
smallest T at which anything fits (feasibility only grows with T, so T is found by bisection over the layers' cycle
counts) and takes the smallest area, LUT + 64 · BRAM18 (`fracdse.memories`), or the fewest LUTs where the smallest area
breaks a budget. The search itself is `fracdse.hardware.solver`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fracdse.design import Design
from fracdse.errors import ConfigError, InfeasibleError
from fracdse.figures import HardwareFigures
from fracdse.folding import Folding, LayerFolding, lanes_text
from fracdse.gates import GateStatistics
from fracdse.hardware.chains import Chain, Layer
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.cycles import chain_cycles
from fracdse.hardware.devices import Device, load_device
from fracdse.hardware.layers import (
    FoldedSpec,
    Words,
    awaited_layers,
    folded_specs,
    layer_foldings,
    shared_units,
    words_of,
)
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import (
    RESOURCES,
    FloatArray,
    cycles_without_gates,
    layer_cycles,
    layer_table,
    nameless,
    resources,
)
from fracdse.hardware.solver import best_within, fastest_limit, fits
from fracdse.topology import GatedConvSpec

_LARGEST_EXCESS = 1e9
_RATE_SLACK = 1e-9


class FoldingInfeasible(InfeasibleError):
    """No folding meets the budgets.

    Attributes:
        resource: The binding one: 'lut', 'ff', 'bram18', 'dsp' or 'fps'.
        excess: By how much the least violating folding misses it, as a share of what is allowed.
        folding: The least violating folding.
    """

    def __init__(
        self, message: str, *, hint: str = "", resource: str = "", excess: float = 0.0, folding: Folding | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.resource = resource
        self.excess = excess
        self.folding = folding

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.message, self.hint, self.resource, self.excess, self.folding))


def _rebuild(message: str, hint: str, resource: str, excess: float, folding: Folding | None) -> FoldingInfeasible:
    return FoldingInfeasible(message, hint=hint, resource=resource, excess=excess, folding=folding)


def solve(design: Design, gates: GateStatistics | None = None, device: Device | None = None) -> Folding:
    """Return the best folding of a design by its own goal.

    Args:
        design: A dataflow design; its folding goal, rate, LUT share and weight memory are obeyed.
        gates: Statistics of the trained network; without them the prior of `fracdse.hardware.cycles`.
        device: Where it must fit; the design's own device by default.

    Raises:
        FoldingInfeasible: Nothing fits; the message names the binding resource and the least violating folding.
        ConfigError: The design is not a dataflow one, has no rate to reach, or the statistics are of another network.
    """
    found = solve_or_none(design, gates, device)
    if found is not None:
        return found
    device = device or load_device(design.device)
    network = network_layers(design)
    specs = folded_specs(network)
    layers = solver_layers(specs, words_of(design, network, device.family, device.die), gates)
    raise _infeasible(design, specs, layers, _rate_limit(design), layer_budgets(design, specs, device))


def solve_or_none(design: Design, gates: GateStatistics | None = None, device: Device | None = None) -> Folding | None:
    """Return what `solve` returns, or None, without a reason, where nothing fits.

    Raises:
        ConfigError: As `solve`.
    """
    choices = design.accelerator
    if choices.architecture != "dataflow":
        raise ConfigError(f"accelerator.architecture = {choices.architecture!r} has no folding; only 'dataflow' has")
    device = device or load_device(design.device)
    network = network_layers(design)
    specs = folded_specs(network)
    layers = solver_layers(specs, words_of(design, network, device.family, device.die), gates)
    budgets = layer_budgets(design, specs, device)
    rate_limit = _rate_limit(design)
    if rate_limit is not None:
        return _smallest_at(rate_limit, specs, layers, budgets)
    limit = fastest_limit(layers, budgets)
    chain = best_within(layers, limit, budgets, "area") if limit is not None else None
    return as_folding(specs, layers, chain) if chain is not None else None


def _smallest_at(
    limit: float, specs: Sequence[FoldedSpec], layers: Sequence[Layer], budgets: FloatArray
) -> Folding | None:
    """Return the folding of the fewest LUTs that takes at most `limit` cycles from frame to frame.

    A chain can take longer than its slowest layer by itself: then faster paces are asked for.
    """
    asked = limit
    while (chain := best_within(layers, asked, budgets, "lut")) is not None:
        folding = as_folding(specs, layers, chain)
        paces = chain.cycles(layers)
        frame = chain_cycles(specs, layer_foldings(folding), paces)
        if frame <= limit * (1 + _RATE_SLACK):
            return folding
        asked = min(asked * limit / frame, max(paces) * (1 - _RATE_SLACK))
    return None


def _rate_limit(design: Design) -> float | None:
    """Return the most cycles a frame that the design's rate allows; None where the goal is the highest rate."""
    choices = design.accelerator
    if choices.folding == "fastest that fits":
        return None
    if choices.fps <= 0:
        raise ConfigError(f"accelerator.fps = {choices.fps} must be above 0 for the goal 'smallest at fps'")
    return choices.clock_mhz * 1e6 / choices.fps


def solver_layers(specs: Sequence[FoldedSpec], words: Words, gates: GateStatistics | None) -> list[Layer]:
    """Return what the solver needs of every folded layer.

    Raises:
        ConfigError: The statistics have another number of layers than the design, or lack a lane count.
    """
    convs = [spec for spec in specs if isinstance(spec, GatedConvSpec)]
    if gates is not None and len(convs) != len(gates.layers):
        raise ConfigError(f"the gate statistics are of {len(gates.layers)} gated layers; the design has {len(convs)}")
    layer_gates = iter(gates.layers if gates else ())
    layers: list[Layer] = []
    before: FoldedSpec | None = None
    for spec, awaited in zip(map(nameless, specs), awaited_layers(specs), strict=True):
        table = layer_table(spec, before, words)
        if gates is not None and isinstance(spec, GatedConvSpec):
            statistics = next(layer_gates)
            try:
                cycles = layer_cycles(spec, words, statistics, awaited)
            except KeyError as error:
                raise ConfigError(
                    f"the gate statistics of layer '{statistics.name}' hold no largest lane count for {error} lanes"
                ) from error
        else:
            cycles = cycles_without_gates(spec, words, awaited)
        layers.append(Layer(table, cycles))
        before = spec
    return layers


def layer_budgets(design: Design, specs: Sequence[FoldedSpec], device: Device) -> FloatArray:
    """Return what the layers may use of lut, ff, bram18 and dsp: the device's, less what belongs to no layer."""
    whole = device.resources
    shared = resources(shared_units(specs), coefficients_for(device.family, device.die))
    share = (design.accelerator.lut_share, 1.0, 1.0, 1.0)
    return np.array([whole[name] * part - used for name, part, used in zip(RESOURCES, share, shared, strict=True)])


def within(figures: HardwareFigures, design: Design, device: Device) -> bool:
    """Tell whether figures keep to the device's resources and the design's share of its LUTs."""
    share = {"lut": design.accelerator.lut_share}
    return all(
        getattr(figures, name).value <= device.resources[name] * share.get(name, 1.0) + 1e-6 for name in RESOURCES
    )


def as_folding(specs: Sequence[FoldedSpec], layers: Sequence[Layer], chain: Chain) -> Folding:
    """Return a chain as the folding of its layers."""
    shares = [layer.table.choices[place] for layer, place in zip(layers, chain.lanes, strict=True)]
    chosen = [
        LayerFolding(spec.name, count, layer.table.memories[memory], slices=slices)
        for spec, layer, (count, slices), memory in zip(specs, layers, shares, chain.memories, strict=True)
    ]
    return Folding(chosen[0], tuple(chosen[1:-1]), chosen[-1])


def _infeasible(
    design: Design, specs: Sequence[FoldedSpec], layers: Sequence[Layer], limit: float | None, budgets: FloatArray
) -> FoldingInfeasible:
    """Find the smallest factor on all limits at which something fits, and say what binds there.

    The factor is found by bisection to one part in 10,000.
    """
    slowest = max(float(layer.cycles.max()) for layer in layers)
    allowed = np.maximum(budgets, 1e-6)

    def at(factor: float) -> tuple[float, FloatArray]:
        return slowest if limit is None else limit * factor, allowed * factor

    low, high = 1.0, 2.0
    while high < _LARGEST_EXCESS and not fits(layers, *at(high)):
        low, high = high, high * 2
    while high / low > 1.0001:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if fits(layers, *at(middle)) else (middle, high)
    chain = best_within(layers, *at(high), "lut")
    if chain is None:
        return FoldingInfeasible(f"no folding of this design fits {design.device}, whatever the limits")
    shares = dict(zip(RESOURCES, (chain.resources / allowed).tolist(), strict=True))
    if limit is not None:
        shares["fps"] = max(chain.cycles(layers)) / limit
    binding = max(shares, key=lambda name: shares[name])
    folding = as_folding(specs, layers, chain)
    takes = ", ".join(
        f"{name} {used:,.0f} of {have:,.0f}"
        for name, used, have in zip(RESOURCES, chain.resources, budgets, strict=True)
    )
    lanes = ", ".join(lanes_text(layer.lanes, layer.slices) for layer in folding.convs)
    goal = "" if limit is None else f" at {design.accelerator.fps:,.10g} frames/s"
    reached = _fastest_rate(design, specs, layers, budgets) if binding == "fps" else None
    if reached is not None:
        what = f"the fastest folding that fits reaches {reached:,.0f} frames/s"
    else:
        what = (
            f"{binding} binds, {100 * (shares[binding] - 1):,.0f} % above what is allowed; the least violating folding "
            f"(lanes {lanes}) takes {takes}"
        )
    return FoldingInfeasible(
        f"no folding of this design fits {design.device}{goal}: {what}",
        hint="Use a narrower or shallower network, a lower rate, a larger lut_share, another weight memory or device.",
        resource=binding,
        excess=shares[binding] - 1,
        folding=folding,
    )


def _fastest_rate(
    design: Design, specs: Sequence[FoldedSpec], layers: Sequence[Layer], budgets: FloatArray
) -> float | None:
    """Return the frames/s of the folding with the fastest slowest layer within the budgets; None where nothing fits."""
    limit = fastest_limit(layers, budgets)
    chain = best_within(layers, limit, budgets, "lut") if limit is not None else None
    if chain is None:
        return None
    folding = as_folding(specs, layers, chain)
    return design.accelerator.clock_mhz * 1e6 / chain_cycles(specs, layer_foldings(folding), chain.cycles(layers))
