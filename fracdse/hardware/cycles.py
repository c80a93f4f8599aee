"""Cycles a frame of a dataflow accelerator: every layer works at once, the slowest sets the rate.

A pixel of a gated convolution takes C_out / lanes cycles for the leading bits and as many more as the largest number of
open gates in any lane, at least one, for the trailing bits. With a 3×3 kernel and stride 1 every row has one more
column beat without a window, which costs two cycles. What the passes wait for is replayed by
`fracdse.hardware.passes`. A sliced lane visits only the columns inside the image, pauses for the words of an arriving
pixel, and waits for a pixel's last gates (fracdse.accelerator.sliced_engine).

Where no statistics of a trained network are given, gates are taken as open independently with probability
`PRIOR_OPEN_FRACTION`: a stated prior, the share that FracBNN reports for its CIFAR-10 network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, lgamma, log

from fracdse.folding import SLICED_KERNEL, LayerFolding
from fracdse.gates import LayerGates
from fracdse.hardware.passes import Passes, row_cycles
from fracdse.hardware.sliced_jobs import idle_cycles
from fracdse.hardware.units.gated_conv import (
    border_bits,
    is_relaxed,
    is_unrolled,
    lag,
    lane_tree,
    pixel_slots,
    trailing_slots,
)
from fracdse.hardware.units.sliced_conv import cycles_to_a_gate
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec

PRIOR_OPEN_FRACTION = 0.4
CYCLES_OF_AN_EMPTY_PAIR = 2
CLASSIFIER_LATENCY = 6
# Registers of activation, window, lanes, collector and post that a pixel passes one after the other; the stem's.
_PIPELINE_CYCLES = 22
_STEM_DELAY = 14
CYCLES_OF_CONTROL = 4
_LATE_PIXELS_OF_A_STRIDED_ROW = 5
FoldedSpec = StemSpec | GatedConvSpec | ClassifierSpec


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


def conv_cycles(
    spec: GatedConvSpec, folding: LayerFolding, gates: LayerGates | None, *, awaited: bool = False
) -> float:
    """Return the cycles a frame of one gated convolution; `awaited` as in `fracdse.hardware.passes`.

    Raises:
        KeyError: The statistics hold no count for these lanes.
    """
    if folding.slices > 1:
        trailing = trailing_cycles(spec, folding, gates)
        return spec.out_height * _sliced_row_cycles(spec, folding.slices, trailing, gates.last_open if gates else ())
    steps = spec.out_channels // folding.lanes
    empty = int(spec.kernel == 3 and spec.stride == 1)
    if is_unrolled(steps, folding.weight_memory):
        row = float(CYCLES_OF_AN_EMPTY_PAIR * (spec.out_width + empty))
        return spec.out_height * (row + _skipped_row_cycles(spec, steps, CYCLES_OF_AN_EMPTY_PAIR, 0, 1.0))
    borders = border_bits(spec.kernel, spec.stride)
    passes = Passes(
        width=spec.out_width,
        empty_columns=empty,
        steps=steps,
        trailing=trailing_cycles(spec, folding, gates),
        latency=lane_tree(spec.fan_in, steps, borders, folding.weight_memory).latency,
        lag=lag(spec.fan_in, steps),
        pixel_slots=pixel_slots(spec.fan_in, steps),
        trailing_slots=trailing_slots(spec.fan_in, steps),
        awaited=awaited,
    )
    skipped = _skipped_row_cycles(spec, steps, steps + passes.trailing, passes.lag, passes.trailing)
    return spec.out_height * (row_cycles(passes) + skipped)


def _skipped_row_cycles(spec: GatedConvSpec, steps: int, pair: float, late: int, trailing: float) -> float:
    """Return the cycles in which a strided layer takes in the row that has no window, less what is done meanwhile.

    A pixel of that row takes a cycle, or two where the window is relaxed. The last pixel of the row before hides a
    pair of passes, and the trailing passes that come `late` columns after their leading ones are run: where they stood
    in the next row, a cycle each is left.
    """
    if spec.stride == 1:
        return 0.0
    a_pixel = 2 if spec.kernel > 1 and is_relaxed(spec.in_width, spec.stride, steps) else 1
    return max(a_pixel * (spec.in_width + 2) - pair, late * trailing) - late * (trailing - 1)


def trailing_cycles(spec: GatedConvSpec, folding: LayerFolding, gates: LayerGates | None) -> float:
    """Return the mean steps of a pixel's trailing pass: what the busiest lane has to do, at least one unless sliced.

    Raises:
        KeyError: The statistics hold no count for these lanes.
    """
    if folding.slices > 1:
        return PRIOR_OPEN_FRACTION * spec.out_channels if gates is None else gates.largest_lane_count[1]
    if gates is None:
        return expected_trailing_cycles(spec.out_channels, folding.lanes)
    return max(1.0, gates.largest_lane_count[folding.lanes] + gates.shut_fraction)


def _sliced_row_cycles(spec: GatedConvSpec, slices: int, trailing: float, last_open: Sequence[float]) -> float:
    """Return the cycles of a row of outputs by one lane that takes `slices` cycles for a fan-in.

    It visits the columns inside the image, pauses for the words of the pixels that arrive, and waits for a pixel's last
    gates. At stride 2 it waits besides for the pixels that a row of outputs could not let in ahead: three of the row
    before, two of its own, each a cycle longer than its words take.
    """
    groups = slices // SLICED_KERNEL
    opened, to_gate = trailing / spec.out_channels, cycles_to_a_gate(spec.in_channels, slices)
    edges = 1 if spec.stride > 1 else 2
    arrivals = 2 * groups * spec.stride**2
    row = float(_LATE_PIXELS_OF_A_STRIDED_ROW if spec.stride > 1 else 0)
    for pixels, columns in ((edges, SLICED_KERNEL - 1), (spec.out_width - edges, SLICED_KERNEL)):
        job = groups * columns
        idle = idle_cycles(spec.out_channels, job, to_gate, opened, last_open)
        row += pixels * (job * (spec.out_channels + trailing) + arrivals + idle)
    return row


def stem_cycles(spec: StemSpec, lanes: int, slices: int) -> float:
    """Return the cycles a frame of the stem: slices · C_out / lanes a pixel, and a scan position a row and column."""
    pixels = spec.out_height * spec.out_width
    return float(pixels * (spec.out_channels // lanes) * slices + (spec.in_height + 1) + spec.in_width)


def classifier_cycles(spec: ClassifierSpec, lanes: int) -> float:
    """Return the cycles a frame of the classifier: for each group a feature a cycle, latency, a logit a cycle."""
    groups = spec.classes // lanes
    return float(groups * (spec.features + CLASSIFIER_LATENCY + lanes))


def chain_cycles(specs: Sequence[FoldedSpec], foldings: Sequence[LayerFolding], cycles: Sequence[float]) -> float:
    """Return the cycles from frame to frame: those of the slowest layer.

    The last row of a 3×3 window goes along with the next frame's first row. The stem begins a frame with a pause of a
    row. A first layer that has used up what it got by then runs its last row by itself: an unrolled one always, another
    one where the stem sets the rate. The stem then waits for what of that row the pause and a pixel do not hide. The
    pixels of a sliced layer last longer than that pause.

    Args:
        specs: Stem, gated convolutions, classifier.
        foldings: Theirs.
        cycles: Cycles a frame of each by itself.
    """
    stem, first, folding = specs[0], specs[1], foldings[1]
    assert isinstance(stem, StemSpec)
    assert isinstance(first, GatedConvSpec)
    slowest = max(cycles)
    if first.kernel == 3 and first.stride == 1 and folding.slices == 1:
        row = cycles[1] / first.out_height
        pixel = stem.out_channels // foldings[0].lanes * foldings[0].slices
        slowest = max(slowest, cycles[0] + row - (first.in_width + 1) - pixel)
        if is_unrolled(first.out_channels // folding.lanes, folding.weight_memory):
            slowest = max(slowest, cycles[1] + row)
    return slowest


def latency_cycles(specs: Sequence[FoldedSpec], foldings: Sequence[LayerFolding], cycles: Sequence[float]) -> float:
    """Return the cycles from a frame's first word to its last logit, when no other frame is in the accelerator.

    Every layer ends its rows in order, each no sooner than its own pace allows behind the row before and behind the
    pixels of the row's first window, and a delay after the last row that its windows need; the last row of a 3×3 window
    at stride 1 begins when the last row has arrived.

    Args:
        specs: Stem, gated convolutions, classifier.
        foldings: Theirs.
        cycles: Cycles a frame of each.
    """
    rows = _stem_rows(specs[0], cycles[0])
    for spec, folding, own in zip(specs[1:-1], foldings[1:-1], cycles[1:-1], strict=True):
        if isinstance(spec, GatedConvSpec):
            rows = _conv_rows(spec, rows, own / spec.out_height, _delay(spec, folding, own))
    return rows[-1] + cycles[-1] + CYCLES_OF_CONTROL


def _stem_rows(spec: FoldedSpec, cycles: float) -> list[float]:
    """Return when each row of the stem's output ends; the first window needs a row and a column."""
    assert isinstance(spec, StemSpec)
    row = (cycles - spec.in_width) / spec.out_height
    return [spec.in_width + _STEM_DELAY + row * (index + 1) for index in range(spec.out_height)]


def _conv_rows(spec: GatedConvSpec, before: list[float], row: float, delay: float) -> list[float]:
    """Return when each row of a layer's output ends, given that of its input; `row` is its own pace."""
    reach, stride, last = spec.kernel // 2, spec.stride, len(before) - 1
    first_columns, begin = (reach + 1) / spec.in_width, row + _PIPELINE_CYCLES
    ends: list[float] = []
    end = 0.0
    for needed in range(reach, reach + stride * spec.out_height, stride):
        if needed > last:  # nothing more arrives: the row runs at the layer's own pace
            end = max(end, before[last]) + row + (delay if not ends else 0.0)
        else:
            arrived, row_before = before[needed], before[needed - 1] if needed else 0.0
            first_window = row_before + (arrived - row_before) * first_columns
            end = max(end + row, first_window + begin, arrived + delay)
        ends.append(end)
    return ends


def _delay(spec: GatedConvSpec, folding: LayerFolding, cycles: float) -> float:
    """Return the cycles from the last code that a pixel needs to its residual word."""
    steps = spec.out_channels // folding.lanes
    pixel = cycles / (spec.out_height * spec.out_width)
    if folding.slices > 1:
        return pixel + _PIPELINE_CYCLES
    ahead = 0 if is_unrolled(steps, folding.weight_memory) else lag(spec.fan_in, steps)
    return (ahead + 1) * pixel + steps + _PIPELINE_CYCLES
