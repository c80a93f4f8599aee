"""Folding, solved exactly: the highest rate that fits a budget, or the fewest LUTs that reach a rate.

Both goals are: allow in each layer the options of at most T cycles, and take the best sum of one option a layer
within the budgets of LUT, FF, BRAM18 and DSP. 'smallest at fps' has T = clock / fps and takes the fewest LUTs;
'fastest that fits' has the smallest T that fits at all (feasibility only grows with T, so T is found by bisection over
the layers' cycle counts) and then the smallest area, LUT + 64 · BRAM18 (`fracdse.memories`). Where the best option of
every layer by itself stays within the budgets, their sum is the optimum; otherwise layers are merged exactly
(`fracdse.hardware.merge`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fracdse.design import Design
from fracdse.errors import ConfigError, InfeasibleError
from fracdse.folding import Folding, LayerFolding
from fracdse.gates import GateStatistics
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.devices import Device, load_device
from fracdse.hardware.layers import FoldedSpec, folded_specs, shared_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import RESOURCES, LayerOption, nameless
from fracdse.hardware.solver import Violation, best_at, fastest_limit, least_violation
from fracdse.hardware.tables import Preference, Resources, Table, table_with_gates, table_without_gates
from fracdse.topology import GatedConvSpec, LayerSpec


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
    choices = design.accelerator
    if choices.architecture != "dataflow":
        raise ConfigError(f"accelerator.architecture = {choices.architecture!r} has no folding; only 'dataflow' has")
    device = device or load_device(design.device)
    layers = network_layers(design)
    specs = folded_specs(layers)
    tables = layer_tables(design, specs, device, gates)
    budgets = layer_budgets(design, layers, device)
    rate_limit = None
    if choices.folding == "smallest at fps":
        if choices.fps <= 0:
            raise ConfigError(f"accelerator.fps = {choices.fps} must be above 0 for the goal 'smallest at fps'")
        rate_limit = choices.clock_mhz * 1e6 / choices.fps
    limit = fastest_limit(tables, budgets) if rate_limit is None else rate_limit
    preference: Preference = "area" if rate_limit is None else "lut"
    chosen = best_at(tables, limit, budgets, preference) if limit is not None else None
    if chosen is None:
        raise _infeasible(specs, least_violation(tables, rate_limit, budgets, RESOURCES), budgets, design)
    return _as_folding(specs, chosen)


def layer_tables(
    design: Design, specs: Sequence[FoldedSpec], device: Device, gates: GateStatistics | None
) -> list[Table]:
    """Return the table of every folded layer.

    Raises:
        ConfigError: The statistics have another number of layers than the design, or lack a lane count.
    """
    words = words_of(design, device.family)
    if gates is None:
        return [table_without_gates(nameless(spec), words) for spec in specs]
    convs = [spec for spec in specs if isinstance(spec, GatedConvSpec)]
    if len(convs) != len(gates.layers):
        raise ConfigError(f"the gate statistics are of {len(gates.layers)} gated layers; the design has {len(convs)}")
    layer_gates = iter(gates.layers)
    try:
        return [
            table_with_gates(nameless(spec), words, next(layer_gates))
            if isinstance(spec, GatedConvSpec)
            else table_without_gates(nameless(spec), words)
            for spec in specs
        ]
    except KeyError as error:
        raise ConfigError(f"the gate statistics hold no largest lane count for {error} lanes") from error


def layer_budgets(design: Design, layers: Sequence[LayerSpec], device: Device) -> Resources:
    """Return what the folded layers may use of lut, ff, bram18 and dsp: the device's, less what is not folded."""
    coefficients = coefficients_for(device.family)
    shared = shared_units(layers, words_of(design, device.family))
    whole = device.resources
    return (
        whole["lut"] * design.accelerator.lut_share - sum(coefficients.predict(unit, "lut") for unit in shared),
        whole["ff"] - sum(coefficients.predict(unit, "ff") for unit in shared),
        float(whole["bram18"] - sum(unit.bram18 for unit in shared)),
        float(whole["dsp"] - sum(unit.dsp for unit in shared)),
    )


def _as_folding(specs: Sequence[FoldedSpec], chosen: Sequence[LayerOption]) -> Folding:
    layers = [LayerFolding(spec.name, option.lanes, option.memory) for spec, option in zip(specs, chosen, strict=True)]
    return Folding(layers[0], tuple(layers[1:-1]), layers[-1])


def _infeasible(
    specs: Sequence[FoldedSpec], violation: Violation, budgets: Resources, design: Design
) -> FoldingInfeasible:
    used = {name: sum(option.resources[index] for option in violation.chosen) for index, name in enumerate(RESOURCES)}
    folding = _as_folding(specs, violation.chosen) if violation.chosen else None
    lanes = "/".join(str(layer.lanes) for layer in folding.convs) if folding else "none"
    allowed = ", ".join(f"{name} {used[name]:,.0f} of {budgets[index]:,.0f}" for index, name in enumerate(RESOURCES))
    goal = f" at {design.accelerator.fps:g} frames/s" if violation.resource == "fps" or design.accelerator.fps else ""
    return FoldingInfeasible(
        f"no folding of this design fits {design.device}{goal}: {violation.resource} binds, "
        f"{100 * (violation.factor - 1):.1f} % above what is allowed; the least violating folding (lanes {lanes}) "
        f"takes {allowed}",
        hint="Use a narrower or shallower network, a lower rate, a larger lut_share, another weight memory or device.",
        resource=violation.resource,
        excess=violation.factor - 1,
        folding=folding,
    )
