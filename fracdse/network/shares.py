"""What the SI shortcut costs of a network: its share of the parameters and of their bits."""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.design import Design
from fracdse.topology import ClassifierSpec, GatedConvSpec, LayerSpec, SIBranchSpec, StemSpec, topology

LARGEST_SHARE = 0.1
_REAL_BITS = 32
# Two norms of scale and shift, three parameters of the RPReLU, one gate threshold.
_CONSTANTS_A_CHANNEL = 8


@dataclass(frozen=True)
class SIShare:
    """Shares of all parameters, and of all their bits, that belong to SI shortcuts (0 to 1)."""

    parameters: float
    bits: float


def si_share(design: Design) -> SIShare:
    """Return the share of a design's SI shortcuts.

    Weights of binary convolutions have one bit, SI weights `si_bits`, and everything else 32.

    Raises:
        ConfigError: The design cannot be built.
    """
    parameters = bits = si_parameters = si_bits = 0
    for spec in topology(design):
        own, own_bits = _size(spec)
        parameters, bits = parameters + own, bits + own_bits
        if isinstance(spec, GatedConvSpec) and spec.si is not None:
            weights, biases = _si_size(spec, spec.si)
            si_parameters += weights + biases
            si_bits += weights * spec.si.bits + biases * _REAL_BITS
    return SIShare(si_parameters / (parameters + si_parameters), si_bits / (bits + si_bits))


def si_warning(design: Design) -> str:
    """Return a warning where SI shortcuts take more than a tenth of the parameters, else an empty text."""
    share = si_share(design)
    if share.parameters <= LARGEST_SHARE:
        return ""
    return (
        f"Warning: SI shortcuts of width {design.network.si_width} take {share.parameters:.1%} of the parameters; "
        f"they are meant to take at most {LARGEST_SHARE:.0%} (arXiv 2007.05223)"
    )


def _size(spec: LayerSpec) -> tuple[int, int]:
    """Return parameters and bits of a layer without its SI shortcut."""
    if isinstance(spec, ClassifierSpec):
        count = (spec.features + 1) * spec.classes
        return count, count * _REAL_BITS
    if isinstance(spec, StemSpec):
        weights, constants = spec.out_channels * spec.in_channels * spec.kernel**2, 2 * spec.out_channels
        return weights + constants, weights + constants * _REAL_BITS
    if isinstance(spec, GatedConvSpec):
        weights, constants = spec.out_channels * spec.fan_in, _CONSTANTS_A_CHANNEL * spec.out_channels
        return weights + constants, weights + constants * _REAL_BITS
    return 0, 0


def _si_size(spec: GatedConvSpec, si: SIBranchSpec) -> tuple[int, int]:
    """Return the weights and the biases of a layer's SI shortcut."""
    interaction = 9 * si.width * (si.width if si.interaction == "full" else 1)
    return spec.in_channels * si.width + interaction + si.width * spec.out_channels, si.width + spec.out_channels
