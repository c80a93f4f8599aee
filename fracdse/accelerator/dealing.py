"""Dealing a network's channels to lanes by the gates that a trained network opens, for every layer where it matters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fracdse.accelerator.unrolled_engine import UNROLLED_STEPS
from fracdse.folding import Folding, LayerFolding
from fracdse.gates import GateStatistics, LayerGates
from fracdse.program.channel_order import balanced_order
from fracdse.program.executor import Executor
from fracdse.program.gate_counts import largest_lane_count
from fracdse.program.model import Program


def deal_channels(
    folding: Folding, gates: GateStatistics, program: Program, images: NDArray[np.uint8]
) -> tuple[Folding, GateStatistics]:
    """Choose every layer's channel order on one half of the images, and measure its lanes' counts on the other.

    A layer that is computed unrolled, or in one lane, keeps its order: nothing depends on it.

    Args:
        folding: Lanes of the layers.
        gates: Statistics in the natural order.
        program: The network.
        images: A small batch (N, H, W, colours), at least two, that is not test data.

    Returns:
        The folding with its orders, and the statistics with the counts of the chosen lanes in these orders.
    """
    convs, layers = [], []
    results = Executor(program).layers(images)
    for layer, known, result in zip(folding.convs, gates.layers, results, strict=True):
        dealt, measured = _deal(layer, known, result.gate)
        convs.append(dealt)
        layers.append(measured)
    return replace(folding, convs=tuple(convs)), replace(gates, layers=tuple(layers))


def _deal(layer: LayerFolding, known: LayerGates, gates: NDArray[np.bool_]) -> tuple[LayerFolding, LayerGates]:
    """Do this for one layer, from its gates (N, …, C)."""
    channels = gates.shape[-1]
    if layer.lanes == 1 or channels // layer.lanes <= UNROLLED_STEPS:
        return layer, known
    half = len(gates) // 2
    seen, unseen = gates[:half].reshape(-1, channels), gates[half:].reshape(-1, channels)
    order = balanced_order(seen, layer.lanes)
    count = largest_lane_count(unseen, layer.lanes, order)
    if count >= largest_lane_count(unseen, layer.lanes):
        return layer, known
    counts = {**known.largest_lane_count, layer.lanes: count}
    return replace(layer, channel_order=order), replace(known, largest_lane_count=counts)
