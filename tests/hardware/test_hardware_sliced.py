from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.calibration.simulated import read_simulated
from fracdse.hardware.estimate import CYCLES_HALF_WIDTH, LATENCY_HALF_WIDTH, estimate, estimate_many
from fracdse.hardware.folding import solve
from fracdse.hardware.sliced_jobs import idle_cycles
from fracdse.hardware.totals import layer_cycle_counts, network_totals


def sliced(fps: float) -> Design:
    return Design(
        ImageFormat(8, 8, 1, 4),
        NetworkChoices(depth=8, width=8, thermometer_resolution=32),
        AcceleratorChoices(folding="smallest at fps", fps=fps, clock_mhz=250.0, feature_bits=16),
    )


def test_with_all_gates_shut_a_lane_waits_for_the_last_gate() -> None:
    assert idle_cycles(16, job=3, to_gate=13, opened=0.0) == 13


def test_jobs_longer_than_the_wait_hide_it_where_the_channel_before_has_one_to_do() -> None:
    """M, M, L, L and so on while all gates are open: the last L of an even number of channels follows at once."""
    assert idle_cycles(16, job=20, to_gate=13, opened=1.0) == 1
    assert idle_cycles(3, job=20, to_gate=13, opened=1.0) == 13


def test_short_jobs_hide_a_part_of_the_wait() -> None:
    """Two channels of 4 cycles each, both open: known 9 and 13 cycles after the start, waits of 1, 0 and 1 cycles."""
    assert idle_cycles(2, job=4, to_gate=6, opened=1.0) == 2


def test_channels_that_always_or_never_open_at_the_end_of_a_pixel_decide_the_wait() -> None:
    """Jobs of channels that open are done while the last gates come; without them the lane just waits."""
    assert idle_cycles(16, 3, 13, 0.5, (0.0,) * 8) == 13
    assert idle_cycles(16, 3, 13, 0.5, (1.0,) * 8) == 7
    assert idle_cycles(16, 3, 13, 0.5, (0.5,) * 8) == pytest.approx(idle_cycles(16, 3, 13, 0.5))
    assert idle_cycles(2, 4, 6, 0.0, (1.0, 1.0)) == 2


@given(
    channels=st.integers(1, 64),
    job=st.integers(2, 40),
    to_gate=st.integers(7, 20),
    opened=st.floats(0.0, 1.0),
)
def test_a_lane_waits_a_cycle_at_least_and_for_all_gates_at_most(
    channels: int, job: int, to_gate: int, opened: float
) -> None:
    idle = idle_cycles(channels, job, to_gate, opened)
    assert 1 - 1e-9 <= idle <= to_gate * min(channels, 8) + 1e-9
    if opened == 0.0:
        assert idle == to_gate


@pytest.mark.parametrize("fps", [20_000, 40_000, 60_000, 90_000])
def test_a_solved_folding_reaches_its_rate(fps: float) -> None:
    design = sliced(fps)
    folding = solve(design)
    assert any(layer.slices > 1 for layer in folding.convs)
    totals = network_totals(design, folding)
    assert totals.cycles >= max(layer_cycle_counts(design, folding))
    assert totals.cycles <= 250e6 / fps * (1 + 1e-6)
    assert estimate(design).cycles_per_frame.value == totals.cycles


def test_many_designs_at_once_have_the_figures_of_one() -> None:
    (figures,) = estimate_many([sliced(40_000)])
    assert figures == estimate(sliced(40_000))


def test_layers_keep_their_own_pace_but_an_unrolled_first_one_takes_a_row_more() -> None:
    design = replace(sliced(0.0), accelerator=AcceleratorChoices())
    folding = solve(design)
    assert max(layer_cycle_counts(design, folding)) == 8 * 18
    assert network_totals(design, folding).cycles == 9 * 18


@pytest.mark.parametrize("with_slices", [False, True])
def test_simulated_networks_lie_within_the_intervals(with_slices: bool) -> None:
    networks = [each for each in read_simulated() if each.sliced == with_slices]
    assert len(networks) >= 14
    modelled = [each.modelled() for each in networks]
    for index, name, width in ((0, "cycles_per_frame", CYCLES_HALF_WIDTH), (1, "latency_cycles", LATENCY_HALF_WIDTH)):
        errors = [model[index] / getattr(each, name) - 1 for model, each in zip(modelled, networks, strict=True)]
        assert sum(abs(error) <= width for error in errors) >= 0.85 * len(networks)
