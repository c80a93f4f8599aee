"""Cycles a frame of a dataflow accelerator: every layer works at once, the slowest sets the rate.

A pixel of a gated convolution takes C_out / lanes cycles for the leading bits and as many more as the largest number of
open gates in any lane, at least one, for the trailing bits. With a 3×3 kernel and stride 1 every row has one more
column beat without a window, which costs two cycles (fracdse.accelerator.pass_scheduler). A sliced lane visits only the
columns inside the image, pauses for the words of an arriving pixel, and waits for a pixel's last gates
(fracdse.accelerator.sliced_engine). Where no statistics of a
trained network are given, gates are taken as open independently with probability `PRIOR_OPEN_FRACTION`: a stated prior,
the share that FracBNN reports for its CIFAR-10 network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, lgamma, log

from fracdse.folding import SLICED_KERNEL, LayerFolding
from fracdse.gates import LayerGates
from fracdse.hardware.units.gated_conv import is_unrolled
from fracdse.hardware.units.sliced_conv import cycles_to_a_gate
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec

PRIOR_OPEN_FRACTION = 0.4
CYCLES_OF_AN_EMPTY_PAIR = 2
CLASSIFIER_LATENCY = 6


@lru_cache(maxsize=100_000)
def expected_trailing_cycles(channels: int, lanes: int, open_fraction: float = PRIOR_OPEN_FRACTION) -> float:
    """Return E[max(1, largest of `lanes` independent Binomial(channels / lanes, open_fraction))]."""
    depth = channels // lanes
    below, expected = _binomial(depth, 0, open_fraction), 1.0
    for count in range(1, depth):
        below += _binomial(depth, count, open_fraction)
        expected += 1 - min(1.0, below) ** lanes
    return expected


def _binomial(trials: int, count: int, chance: float) -> float:
    """Return the probability of `count` successes; by logarithms, so that many trials do not overflow."""
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return exp(ways + count * log(chance) + (trials - count) * log(1 - chance))


def conv_cycles(spec: GatedConvSpec, folding: LayerFolding, gates: LayerGates | None) -> float:
    """Return the cycles a frame of one gated convolution.

    Raises:
        KeyError: The statistics hold no count for these lanes.
    """
    if folding.slices > 1:
        return _sliced_cycles(spec, folding.slices, gates)
    lanes = folding.lanes
    beats = spec.out_height * (spec.out_width + int(spec.kernel == 3 and spec.stride == 1))
    if is_unrolled(spec.out_channels // lanes, folding.weight_memory):
        return float(CYCLES_OF_AN_EMPTY_PAIR * beats)
    if gates is None:
        trailing = expected_trailing_cycles(spec.out_channels, lanes)
    else:
        trailing = max(1.0, gates.largest_lane_count[lanes])
    pixels = spec.out_height * spec.out_width
    return pixels * (spec.out_channels // lanes + trailing) + CYCLES_OF_AN_EMPTY_PAIR * (beats - pixels)


def _sliced_cycles(spec: GatedConvSpec, slices: int, gates: LayerGates | None) -> float:
    """Return the cycles of one lane that takes `slices` cycles for a fan-in.

    After a pixel's last channel the lane is idle until its gate is known, unless the channel before has a trailing job;
    after a trailing job it takes one cycle to go on.
    """
    trailing = PRIOR_OPEN_FRACTION * spec.out_channels if gates is None else gates.largest_lane_count[1]
    groups = slices // SLICED_KERNEL
    columns = SLICED_KERNEL * spec.out_width - (2 if spec.stride == 1 else 1)
    slices_issued = spec.out_height * columns * groups * (spec.out_channels + trailing)
    arrivals = 2 * groups * spec.in_height * spec.in_width
    opened = trailing / spec.out_channels
    idle = (1 - opened) * cycles_to_a_gate(spec.in_channels, slices) + opened
    return slices_issued + arrivals + spec.out_height * spec.out_width * idle


def stem_cycles(spec: StemSpec, lanes: int, slices: int) -> float:
    """Return the cycles a frame of the stem: slices · C_out / lanes a pixel, and a scan position a row and column."""
    pixels = spec.out_height * spec.out_width
    return float(pixels * (spec.out_channels // lanes) * slices + (spec.in_height + 1) + spec.in_width)


def classifier_cycles(spec: ClassifierSpec, lanes: int) -> float:
    """Return the cycles a frame of the classifier: for each group a feature a cycle, latency, a logit a cycle."""
    groups = spec.classes // lanes
    return float(groups * (spec.features + CLASSIFIER_LATENCY + lanes))


def latency_cycles(specs: Sequence[StemSpec | GatedConvSpec | ClassifierSpec], cycles: Sequence[float]) -> float:
    """Return the cycles from a frame's first word to its last logit, when no other frame is in the accelerator.

    Every layer starts when its window is full, (k // 2)·(width + 1) pixels after the layer before it began, at the pace
    of the slowest layer so far; the slowest layer then runs through the rest of its frame, and each later one lags by
    its own window.
    """
    slowest, started = 0.0, 0.0
    for spec, own in zip(specs, cycles, strict=True):
        slowest = max(slowest, own)
        if not isinstance(spec, ClassifierSpec):
            waiting = (spec.kernel // 2) * (spec.in_width + 1)
            started += waiting * slowest / (spec.in_height * spec.in_width) + PIPELINE_CYCLES
    return started + slowest + cycles[-1]


PIPELINE_CYCLES = 20
