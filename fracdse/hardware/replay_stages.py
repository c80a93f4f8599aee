"""The layers of an accelerator as the pixel replay sees them; mirrors fracdse.accelerator.units and .shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from fracdse.folding import SLICED_KERNEL, LayerFolding, codes_a_beat
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware.cycles import (
    FoldedSpec,
    chain_cycles,
    row_and_skipped_cycles,
    sliced_output_cycles,
    trailing_cycles,
)
from fracdse.hardware.layers import outputs
from fracdse.hardware.pixel_replay import LAYER_DELAY, STEM_DELAY, Stage, replay
from fracdse.hardware.units.codes import code_pixels
from fracdse.hardware.units.gated_conv import is_relaxed
from fracdse.hardware.units.shortcut import fifo_pixels
from fracdse.topology import GatedConvSpec, StemSpec

# Channels of a sliced lane between the start of a sum and the end of its output, and words behind it.
_CHANNELS_IN_FLIGHT, _WORDS_BEHIND = 16, 16
# Pixels behind a lane that is not sliced: of sums, of codes being put together, of codes put together.
_PIXELS_HELD = 4


def is_sliced(foldings: Sequence[LayerFolding]) -> bool:
    """Tell whether a gated convolution is sliced: the accelerators whose layers wait for each other."""
    return any(folding.slices > 1 for folding in foldings[1:-1])


def frame_cycles(
    specs: Sequence[FoldedSpec],
    foldings: Sequence[LayerFolding],
    cycles: Sequence[float],
    gates: GateStatistics | None,
) -> float:
    """Return the cycles from frame to frame, waiting of layers for each other included; arguments as below."""
    if is_sliced(foldings):
        return replayed_cycles(specs, foldings, cycles, gates)[0]
    return chain_cycles(specs, foldings, cycles)


def replayed_cycles(
    specs: Sequence[FoldedSpec],
    foldings: Sequence[LayerFolding],
    cycles: Sequence[float],
    gates: GateStatistics | None,
) -> tuple[float, float]:
    """Return the cycles a frame and those of a first frame up to the last gated convolution's last output.

    Args:
        specs: Stem, gated convolutions, classifier.
        foldings: Theirs.
        cycles: Cycles a frame of each at its own pace.
        gates: Statistics of the trained network; None takes the prior.
    """
    statistics: Sequence[LayerGates | None] = gates.layers if gates else [None] * (len(specs) - 2)
    trailing = tuple(
        trailing_cycles(spec, folding, layer)
        for spec, folding, layer in zip(specs[1:-1], foldings[1:-1], statistics, strict=True)
        if isinstance(spec, GatedConvSpec)
    )
    return _replayed(tuple(specs), tuple(foldings), tuple(cycles), trailing)


@lru_cache(maxsize=1000)
def _replayed(
    specs: tuple[FoldedSpec, ...],
    foldings: tuple[LayerFolding, ...],
    cycles: tuple[float, ...],
    trailing: tuple[float, ...],
) -> tuple[float, float]:
    """Return what `replayed_cycles` does; the solver asks for what an estimate asks for again."""
    stem = specs[0]
    assert isinstance(stem, StemSpec)
    stages = [
        _stage(spec, folding, producer, LayerGates(spec.name, 0.0, {folding.lanes: count}))
        for spec, folding, producer, count in zip(specs[1:-1], foldings[1:-1], foldings[:-2], trailing, strict=True)
        if isinstance(spec, GatedConvSpec)
    ]
    for index, (stage, after) in enumerate(pairwise(stages), start=1):
        held = _held(outputs(specs[index]), foldings[index], foldings[index + 1], after.by_channel)
        stage.held = held + int(LAYER_DELAY / min(stage.work))
    pixel = (cycles[0] - stem.in_width) / (stem.out_height * stem.out_width)
    frame, first = replay(stem.in_width + STEM_DELAY, pixel, stages)
    return max(frame, *cycles), first


def _stage(spec: GatedConvSpec, folding: LayerFolding, producer: LayerFolding, gates: LayerGates) -> Stage:
    """Describe a layer; what it may hold depends on the next one and is set after."""
    work, taking, by_channel = _pace(spec, folding, producer, gates)
    sliced = folding.slices > 1
    steps = spec.in_channels // producer.lanes
    remembered = fifo_pixels(spec.in_width, spec.out_width, spec.kernel > 1, spec.stride, steps, in_flight=0)
    return Stage(
        height=spec.in_height,
        width=spec.in_width,
        stride=spec.stride,
        kernel=spec.kernel,
        work=work,
        taking=taking,
        ahead=sliced,
        by_channel=by_channel,
        queue=code_pixels(spec.in_width, spec.kernel, spec.stride, spec.si is not None, folding.slices),
        held=0,
        memory=remembered + int(LAYER_DELAY / min(work)),
    )


def _pace(
    spec: GatedConvSpec, folding: LayerFolding, producer: LayerFolding, gates: LayerGates
) -> tuple[list[float], float, bool]:
    """Return the cycles of an output in each column, those to take a pixel in, and whether it comes by channels."""
    if folding.slices == 1:
        row, _ = row_and_skipped_cycles(spec, folding, gates)
        steps = spec.out_channels // folding.lanes
        slow = spec.stride > 1 and spec.kernel > 1 and is_relaxed(spec.in_width, spec.stride, steps)
        return [row / spec.out_width] * spec.out_width, 2 if slow else 1, False
    groups = folding.slices // SLICED_KERNEL
    codes = codes_a_beat(spec.in_channels, folding.slices, producer.lanes)
    by_channel = codes < spec.in_channels
    taking = groups * (spec.in_channels // groups // codes + 2) if by_channel else 2 * groups + 1
    return sliced_output_cycles(spec, folding.slices, trailing_cycles(spec, folding, gates)), taking, by_channel


def _held(channels: int, folding: LayerFolding, after: LayerFolding, by_channel: bool) -> int:
    """Return how many outputs a layer may finish before the next layer takes them, beside what is on its way."""
    if folding.slices == 1:
        return _PIXELS_HELD
    behind = channels * SLICED_KERNEL // after.slices if by_channel else 2 * channels
    return max(0, round((_CHANNELS_IN_FLIGHT + _WORDS_BEHIND + behind) / channels - 1))
