"""The figures of a compact accelerator, and whether it fits its device."""

from __future__ import annotations

from functools import lru_cache

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.figures import Figure, HardwareFigures
from fracdse.hardware.compact import (
    CompactResources,
    compact_coefficients,
    compact_constants,
    compact_resources,
    network_plan,
    usual_fields,
    widest_fields,
)
from fracdse.hardware.compact_cycles import CompactTimes, compact_times
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import FoldingInfeasible
from fracdse.hardware.options import RESOURCES
from fracdse.hardware.power import power_figure

# Cycles of the simulated networks are within 0.5 % of the model (benchmarks/compact_model.py); of small maps, whose
# blocks wait for constants, within this where constants are narrower than usual.
CYCLES_HALF_WIDTH = 0.03
_RATE_SLACK = 1e-9


def compact_figures(design: Design) -> HardwareFigures | None:
    """Return the figures of a compact design; None where it does not fit its device or misses its rate.

    Raises:
        ConfigError: The device is unknown, the goal has no rate, or the architecture does not compute the network.
    """
    return None if max(_excess(design).values()) > _RATE_SLACK else _figures(design)


def checked_compact_figures(design: Design) -> HardwareFigures:
    """Return what `compact_figures` does.

    Raises:
        FoldingInfeasible: It does not fit; the message names what binds.
        ConfigError: As `compact_figures`.
    """
    excess = _excess(design)
    binding = max(excess, key=lambda name: excess[name])
    if excess[binding] <= _RATE_SLACK:
        return _figures(design)
    found, allowed, rate = compact_totals(design), _allowed(design), _rate(design)
    if binding == "fps":
        what = f"it reaches {rate:,.0f} frames/s at {design.accelerator.clock_mhz:g} MHz"
    else:
        takes = ", ".join(f"{name} {getattr(found, name):,.0f} of {have:,.0f}" for name, have in allowed.items())
        what = f"{binding} binds, {100 * excess[binding]:,.0f} % above what is allowed; it takes {takes}"
    goal = f" at {design.accelerator.fps:,.10g} frames/s" if "fps" in excess else ""
    raise FoldingInfeasible(
        f"the compact accelerator of this design does not fit {design.device}{goal}: {what}",
        hint="Use a narrower or shallower network, smaller words, a lower rate, a larger lut_share or another device.",
        resource=binding,
        excess=excess[binding],
    )


def compact_totals(design: Design) -> CompactResources:
    """Return the resources of a design, kept for all designs that differ only in clock, rate or device.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    words = design.accelerator.feature_bits, design.accelerator.constant_bits
    return _totals(design.image, design.network, *words)


@lru_cache(maxsize=20_000)
def _totals(image: ImageFormat, network: NetworkChoices, feature_bits: int, constant_bits: int) -> CompactResources:
    words = AcceleratorChoices(architecture="compact", feature_bits=feature_bits, constant_bits=constant_bits)
    return compact_resources(Design(image, network, words))


def compact_times_of(design: Design) -> CompactTimes:
    """Return the cycles of a design whose constants are as wide as they usually are.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    plan = network_plan(design)
    shape = compact_constants(plan, usual_fields(plan, design))
    return compact_times(plan, shape.post_words, shape.code_words)


def _allowed(design: Design) -> dict[str, float]:
    """Return how much of each resource a design may take."""
    device = load_device(design.device)
    share = {"lut": design.accelerator.lut_share}
    return {name: device.resources[name] * share.get(name, 1.0) for name in RESOURCES}


def _rate(design: Design) -> float:
    return design.accelerator.clock_mhz * 1e6 / compact_times_of(design).frame


def _excess(design: Design) -> dict[str, float]:
    """Return by how much a design misses each limit, as a share of what is allowed; negative where it keeps it."""
    totals, choices = compact_totals(design), design.accelerator
    excess = {name: getattr(totals, name) / most - 1 for name, most in _allowed(design).items()}
    if choices.folding == "smallest at fps":
        if choices.fps <= 0:
            raise ConfigError(f"accelerator.fps = {choices.fps} must be above 0 for the goal 'smallest at fps'")
        excess["fps"] = choices.fps / _rate(design) - 1
    return excess


def _figures(design: Design) -> HardwareFigures:
    totals, times, clock = compact_totals(design), compact_times_of(design), design.accelerator.clock_mhz
    widths = compact_coefficients().network_half_width
    plan = network_plan(design)
    most = totals.bram18 - compact_constants(plan, usual_fields(plan, design)).blocks
    most += compact_constants(plan, widest_fields(plan, design)).blocks
    rate = clock * 1e6 / times.frame
    return HardwareFigures(
        lut=Figure.around(totals.lut, widths["lut"]),
        ff=Figure.around(totals.ff, widths["ff"]),
        bram18=Figure(totals.bram18, totals.bram18, max(totals.bram18, most)),
        dsp=Figure.exact(totals.dsp),
        cycles_per_frame=Figure.around(times.frame, CYCLES_HALF_WIDTH),
        fps=Figure(rate, rate / (1 + CYCLES_HALF_WIDTH), rate / (1 - CYCLES_HALF_WIDTH)),
        latency_us=Figure.around(times.latency / clock, CYCLES_HALF_WIDTH),
        power_w=power_figure(load_device(design.device).family, totals.lut, totals.bram18, totals.dsp, clock),
    )
