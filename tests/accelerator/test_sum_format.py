from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from conv_bench import case
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.accelerator.comparison import at_least
from fracdse.accelerator.constant_counter import tap_classes
from fracdse.accelerator.lane_counter import encoded_weights
from fracdse.accelerator.parity_chain import weight_levels
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.sum_format import (
    SumFormat,
    balanced_weights,
    border_sums,
    inverted_weights,
    padded_taps,
    sum_format,
)
from fracdse.accelerator.window_types import WindowGeometry


@settings(deadline=None)
@given(st.integers(1, 600), st.booleans(), st.integers(0, 1), st.integers(-2000, 2000), st.data())
def test_a_gate_opens_at_the_same_sums_in_every_format(
    taps: int, halved: bool, odd: int, threshold: int, data: st.DataObject
) -> None:
    form = SumFormat(taps, halved, odd if halved else 0)
    leading = data.draw(st.integers(-taps, taps).filter(lambda m: not halved or m % 2 == odd))
    stored = (leading - form.odd) // 2 if halved else leading
    assert -(1 << (form.bits - 1)) <= stored < 1 << (form.bits - 1)
    assert (stored >= int(form.threshold(np.array([threshold]))[0])) == (leading >= threshold)


@pytest.mark.parametrize(("inputs", "halved"), [(4, True), (3, False)])
def test_padding_keeps_the_parity_of_an_even_number_of_channels(inputs: int, halved: bool) -> None:
    tested = case((inputs, 8), (4, 4), 2)
    geometry = WindowGeometry.of(tested.spec)
    inverted = inverted_weights(tested.program, Schedule.of(8, tested.folding))
    sums = border_sums(inverted, padded_taps(geometry))
    assert sum_format(sums, geometry.taps).halved is halved
    assert (sums[:, 0] == -geometry.taps).all()


def test_balanced_weights_need_no_correction_at_borders() -> None:
    tested = case((4, 8), (4, 4), 2)
    geometry = WindowGeometry.of(tested.spec)
    inverted = inverted_weights(tested.program, Schedule.of(8, tested.folding))
    padded = padded_taps(geometry)
    rows = balanced_weights(inverted, padded)
    assert (((1 - 2 * rows.astype(int)) * padded).sum(axis=2) == 0).all()
    assert (rows[:, 0] == inverted).all()
    assert (rows[:, 15][:, ~padded[15]] == inverted[:, ~padded[15]]).all()


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 99))
def test_tap_classes_rebuild_the_weights(rows: int, taps: int, seed: int) -> None:
    inverted = np.random.default_rng(seed).random((rows, taps)) < 0.5
    rebuilt = np.zeros_like(inverted)
    for members in tap_classes(inverted):
        for row, flipped in enumerate(members.flipped):
            rebuilt[row, list(members.members)] = inverted[0, list(members.members)] ^ flipped
    assert (rebuilt == inverted).all()
    assert len(tap_classes(inverted)) <= 2 ** (rows - 1)


def test_encoded_weights_hold_the_parity_of_the_next_level() -> None:
    inverted = np.random.default_rng(0).random((3, 10)) < 0.5
    assert (encoded_weights(inverted)[:, 6:] == weight_levels(inverted)[1]).all()
    assert (
        len(
            {
                word.tobytes()
                for word in encoded_weights(np.array([[a >> b & 1 for b in range(3)] for a in range(8)]) > 0)
            }
        )
        == 8
    )


@pytest.mark.parametrize("constant", range(-10, 11))
def test_comparison_with_every_constant(constant: int) -> None:
    m = Module()
    value, result = Signal(4), Signal()
    m.d.comb += result.eq(at_least(value, constant))

    async def bench(ctx):  # type: ignore[no-untyped-def]
        for signed in range(-8, 8):
            ctx.set(value, signed % 16)
            assert ctx.get(result) == (signed >= constant)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
