"""Dealing a network's channels to lanes by the gates that a trained network opens, for every layer where it matters.

Layers that follow each other with the same channels and lanes share one order: their shortcuts' FIFOs are then read as
they were written, without the copies of banks and the multiplexers that each change of order costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from fracdse.accelerator.unrolled_engine import UNROLLED_STEPS
from fracdse.folding import Folding, LayerFolding
from fracdse.gates import GateStatistics, LayerGates
from fracdse.program.channel_order import balanced_order
from fracdse.program.executor import Executor
from fracdse.program.gate_counts import largest_lane_count
from fracdse.program.model import Program


@dataclass(frozen=True)
class _Layer:
    """A layer to deal: its folding, what is known of its gates, and gates (N, …, C) of some images."""

    folding: LayerFolding
    known: LayerGates
    gates: NDArray[np.bool_]

    @property
    def channels(self) -> int:
        return self.gates.shape[-1]

    def rows(self, half: int) -> NDArray[np.bool_]:
        """Return the gates of one half of the images, a row a pixel."""
        middle = len(self.gates) // 2
        part = self.gates[middle:] if half else self.gates[:middle]
        return part.reshape(-1, self.channels)


def deal_channels(
    folding: Folding, gates: GateStatistics, program: Program, images: NDArray[np.uint8]
) -> tuple[Folding, GateStatistics]:
    """Choose the channels' order in every layer on one half of the images, and count by lanes on the other.

    A layer that is computed unrolled, or in one lane, keeps its order: nothing depends on it.

    Args:
        folding: Lanes of the layers.
        gates: Statistics in the natural order.
        program: The network.
        images: A small batch (N, H, W, colours), at least two, that is not test data.

    Returns:
        The folding with its orders, and the statistics with the counts of the chosen lanes in these orders.
    """
    results = Executor(program).layers(images)
    layers = [
        _Layer(layer, known, result.gate)
        for layer, known, result in zip(folding.convs, gates.layers, results, strict=True)
    ]
    runs = groupby(layers, lambda layer: (layer.channels, layer.folding.lanes))
    dealt = [pair for _, run in runs for pair in _deal(list(run))]
    convs, measured = zip(*dealt, strict=True)
    return replace(folding, convs=tuple(convs)), replace(gates, layers=tuple(measured))


def _deal(run: Sequence[_Layer]) -> list[tuple[LayerFolding, LayerGates]]:
    """Choose one order for layers with the same channels and lanes."""
    natural = [(layer.folding, layer.known) for layer in run]
    channels, lanes = run[0].channels, run[0].folding.lanes
    if lanes == 1 or channels // lanes <= UNROLLED_STEPS:
        return natural
    order = balanced_order(np.concatenate([layer.rows(0) for layer in run]), lanes)
    counts = [largest_lane_count(layer.rows(1), lanes, order) for layer in run]
    if sum(counts) >= sum(largest_lane_count(layer.rows(1), lanes) for layer in run):
        return natural
    return [
        (
            replace(layer.folding, channel_order=order),
            replace(layer.known, largest_lane_count={**layer.known.largest_lane_count, lanes: count}),
        )
        for layer, count in zip(run, counts, strict=True)
    ]
