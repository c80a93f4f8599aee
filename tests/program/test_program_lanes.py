from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.errors import ProgramError
from fracdse.program.channel_order import balanced_order
from fracdse.program.gate_counts import GateCounts, divisors, largest_lane_count, statistics


def slow_largest(gates, lanes):
    total = 0
    for pixel in gates:
        counts = [0] * lanes
        for channel, is_open in enumerate(pixel):
            counts[channel % lanes] += bool(is_open)
        total += max(counts)
    return total / len(gates)


@settings(max_examples=60, deadline=None)
@given(channels=st.integers(1, 30), pixels=st.integers(1, 20), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_largest_lane_counts_of_every_divisor(channels, pixels, share, seed):
    gates = np.random.default_rng(seed).random((pixels, channels)) < share
    counts = GateCounts.of(gates)
    assert list(counts.largest) == divisors(channels)
    layer = statistics(["layer"], [counts], 1).layers[0]
    assert layer.open_fraction == pytest.approx(gates.mean())
    for lanes in divisors(channels):
        assert layer.largest_lane_count[lanes] == pytest.approx(slow_largest(gates, lanes))
        assert largest_lane_count(gates, lanes) == pytest.approx(slow_largest(gates, lanes))


def test_more_than_255_open_gates_in_a_lane_are_counted():
    counts = GateCounts.of(np.ones((3, 600), bool))
    assert counts.largest[1] == 3 * 600
    assert counts.largest[2] == 3 * 300


def test_counts_of_chunks_add_up():
    gates = np.random.default_rng(0).random((12, 8)) < 0.4
    assert GateCounts.of(gates[:5]) + GateCounts.of(gates[5:]) == GateCounts.of(gates)


def test_an_order_moves_channels_between_lanes():
    gates = np.array([[True, False, True, False]])
    assert largest_lane_count(gates, 2) == 2
    assert largest_lane_count(gates, 2, (0, 2, 1, 3)) == 1


@settings(max_examples=40, deadline=None)
@given(steps=st.integers(1, 6), lanes=st.integers(1, 6), seed=st.integers(0, 999))
def test_balanced_orders_are_permutations_and_never_worse(steps, lanes, seed):
    rng = np.random.default_rng(seed)
    gates = rng.random((50, steps * lanes)) < rng.random(steps * lanes)
    order = balanced_order(gates, lanes)
    assert sorted(order) == list(range(steps * lanes))
    assert largest_lane_count(gates, lanes, order) <= largest_lane_count(gates, lanes) + 1e-12
    assert order == balanced_order(gates, lanes)


def test_channels_that_open_together_are_put_in_different_lanes():
    rng = np.random.default_rng(0)
    groups = rng.random((500, 4)) < 0.5
    gates = np.repeat(groups, 4, axis=1)[:, [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]]
    # In the natural order lane p holds four channels that always open together: the largest count is 4 almost always.
    assert largest_lane_count(gates, 4) > 3.6
    order = balanced_order(gates, 4)
    assert largest_lane_count(gates, 4, order) == pytest.approx(groups.sum(1).mean())


def test_lanes_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ProgramError, match="lanes = 3 does not divide 8 channels"):
        balanced_order(np.ones((4, 8), bool), 3)


def test_the_last_channels_and_pixels_without_an_open_gate_are_counted():
    gates = np.zeros((6, 12), bool)
    gates[:3, 11] = True
    gates[2:4, 5] = True
    (layer,) = statistics(["l"], [GateCounts.of(gates)], 1).layers
    assert layer.last_open == (0, 2 / 6, 0, 0, 0, 0, 0, 3 / 6)
    assert layer.shut_fraction == pytest.approx(2 / 6)
    (narrow,) = statistics(["l"], [GateCounts.of(gates[:, 10:])], 1).layers
    assert narrow.last_open == (0, 0.5)
