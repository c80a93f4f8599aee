"""Cycles a frame of a dataflow accelerator: every layer works at once, the slowest sets the rate.

A pixel of a gated convolution takes ceil(C_out / lanes) cycles for the leading bits and as many more as the largest
number of open gates in any lane for the trailing bits. Where no statistics of a trained network are given, gates are
taken as open independently with probability `PRIOR_OPEN_FRACTION`: a stated prior, the share that FracBNN reports for
its CIFAR-10 network.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

from fracdse.gates import LayerGates
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec

PRIOR_OPEN_FRACTION = 0.4


@lru_cache(maxsize=100_000)
def expected_largest_count(channels: int, lanes: int, open_fraction: float = PRIOR_OPEN_FRACTION) -> float:
    """Return E[max over lanes of a Binomial(channels / lanes, open_fraction)], lanes being independent."""
    depth = channels // lanes
    below, expected = 0.0, 0.0
    for count in range(depth):
        below += comb(depth, count) * open_fraction**count * (1 - open_fraction) ** (depth - count)
        expected += 1 - min(1.0, below) ** lanes
    return expected


def conv_cycles(spec: GatedConvSpec, lanes: int, gates: LayerGates | None) -> float:
    """Return the cycles a frame of one gated convolution."""
    extra = expected_largest_count(spec.out_channels, lanes) if gates is None else gates.largest_lane_count[lanes]
    return spec.out_height * spec.out_width * (spec.out_channels // lanes + extra)


def stem_cycles(spec: StemSpec, lanes: int) -> float:
    """Return the cycles a frame of the stem: every output pixel takes C_out / lanes cycles."""
    return float(spec.out_height * spec.out_width * (spec.out_channels // lanes))


def classifier_cycles(spec: ClassifierSpec, lanes: int) -> float:
    """Return the cycles a frame of the classifier: one feature a cycle for each group of `lanes` classes."""
    return float(spec.features * (spec.classes // lanes))
