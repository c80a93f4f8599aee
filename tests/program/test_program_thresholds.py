from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.program.float_reference import quantise_levels
from fracdse.program.thresholds import gate_thresholds, quantiser_thresholds


def codes(words, thresholds, descending):
    count = (words[:, None] >= thresholds).sum(1)
    return thresholds.size - count if descending else count


@pytest.mark.parametrize("alpha", [0.25, -0.25])
def test_ties_follow_rounding_half_to_even(alpha):
    # x = −2/3, 0 and 2/3 lie halfway between levels; with beta = 0 and alpha = 1/4 only x = 0 is on the grid.
    words = np.arange(-8, 9)
    thresholds, descending = quantiser_thresholds(np.array([alpha]), np.zeros(1), 2, 16)
    real = (words * alpha).astype(np.float32)
    want = np.rint((quantise_levels(real, 2) + 1) * 1.5)
    np.testing.assert_array_equal(codes(words, thresholds[0], descending[0]), want)
    assert descending[0] == (alpha < 0)
    assert np.all(np.diff(thresholds) >= 0)


@settings(max_examples=200, deadline=None)
@given(
    alpha=st.integers(1, 64).map(lambda n: n / 64),
    sign=st.sampled_from([-1, 1]),
    beta=st.integers(-128, 128).map(lambda n: n / 64),
    bits=st.integers(1, 6),
)
def test_thresholds_are_the_quantiser_at_every_word(alpha, sign, beta, bits):
    # Dyadic scales keep alpha·u + beta exact, so ties occur and must fall as the float quantiser's do.
    words = np.arange(-128, 128)
    thresholds, descending = quantiser_thresholds(np.array([alpha * sign]), np.array([beta]), bits, 8)
    x = np.clip(words * (alpha * sign) + beta, -1, 1)
    level = np.rint((x + 1) * (2**bits - 1) / 2)
    got = codes(words, thresholds[0], descending[0])
    inside = words < 127  # the largest word may stand for what lies beyond it
    np.testing.assert_array_equal(got[inside], level[inside])


def test_thresholds_stay_within_the_word():
    thresholds, _ = quantiser_thresholds(np.array([1e-9, -1e-9]), np.array([5.0, 5.0]), 2, 8)
    assert thresholds.tolist() == [[-128] * 3, [127] * 3] or thresholds.min() >= -128
    assert thresholds.max() <= 127


@given(st.floats(-30, 30, width=32))
def test_gate_opens_for_the_same_sums_as_in_float(delta):
    sums = np.arange(-18, 19)
    threshold = gate_thresholds(np.array([delta], np.float32), 18)[0]
    np.testing.assert_array_equal(sums >= threshold, sums * 2 > 3 * float(np.float32(delta)))


@pytest.mark.parametrize(("delta", "first"), [(0.0, 1), (2.0, 4), (-2.0, -2), (3.0, 5), (1e9, 19), (-1e9, -19)])
def test_gate_threshold_of_known_values(delta, first):
    assert gate_thresholds(np.array([delta], np.float32), 18).tolist() == [first]
