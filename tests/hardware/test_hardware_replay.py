from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.calibration.simulated import read_simulated
from fracdse.hardware.estimate import CYCLES_SLICED_HALF_WIDTH, estimate, estimate_many
from fracdse.hardware.folding import solve
from fracdse.hardware.pixel_replay import LAYER_DELAY, STEM_DELAY, Stage, replay
from fracdse.hardware.totals import layer_cycle_counts, network_totals


def stage(
    size: int, *, work: float, stride: int = 1, kernel: int = 3, ahead: bool = False, queue: int = 0, held: int = 4
) -> Stage:
    return Stage(
        height=size, width=size, stride=stride, kernel=kernel, work=[work] * (size // stride), taking=1.0, ahead=ahead,
        by_channel=False, queue=queue, held=held, memory=4 * size,
    )  # fmt: skip


def sliced(fps: float, width: int = 8) -> Design:
    return Design(
        ImageFormat(8, 8, 1, 4),
        NetworkChoices(depth=8, width=width, thermometer_resolution=32),
        AcceleratorChoices(folding="smallest at fps", fps=fps, clock_mhz=250.0, feature_bits=16),
    )


def test_one_layer_that_is_slower_than_its_stem_sets_the_pace() -> None:
    cycles, _ = replay(0.0, 1.0, [stage(8, work=50.0)])
    assert cycles == pytest.approx(64 * 50)


def test_a_slow_stem_sets_the_pace_and_the_first_frame_ends_a_pixel_after_it() -> None:
    cycles, first = replay(0.0, 100.0, [stage(8, work=10.0, kernel=1)])
    assert cycles == pytest.approx(64 * 100)
    assert first == pytest.approx(64 * 100 + STEM_DELAY + 1 + 10 + LAYER_DELAY)


def test_a_strided_layer_that_lets_no_row_in_ahead_waits_for_the_layer_before_it() -> None:
    """Both need 640 cycles a frame; while one works the other waits, unless a row of pixels is queued between."""
    before, after = stage(8, work=10.0, held=1), {"work": 40.0, "stride": 2}
    waiting, _ = replay(0.0, 1.0, [before, stage(8, ahead=True, **after)])
    before = stage(8, work=10.0, held=8)
    queued, _ = replay(0.0, 1.0, [before, stage(8, queue=8, **after)])
    assert queued == pytest.approx(640, rel=0.1)
    assert waiting > 1.1 * queued


@settings(deadline=None, max_examples=25)
@given(
    paces=st.lists(st.floats(2.0, 60.0), min_size=1, max_size=4),
    ahead=st.lists(st.booleans(), min_size=4, max_size=4),
    size=st.sampled_from([2, 3, 4, 6]),
)
def test_no_chain_is_faster_than_its_slowest_layer(paces: list[float], ahead: list[bool], size: int) -> None:
    stages = [stage(size, work=pace, ahead=flag) for pace, flag in zip(paces, ahead, strict=False)]
    cycles, first = replay(5.0, 3.0, stages)
    assert cycles >= size * size * max(3.0, *paces) * (1 - 1e-9)
    assert first >= size * size * max(paces)


@pytest.mark.parametrize("fps", [20_000, 40_000, 60_000, 90_000])
def test_a_solved_folding_reaches_its_rate_though_sliced_layers_wait(fps: float) -> None:
    design = sliced(fps)
    folding = solve(design)
    totals = network_totals(design, folding)
    assert totals.sliced
    assert totals.cycles >= max(layer_cycle_counts(design, folding))
    assert totals.cycles <= 250e6 / fps * (1 + 1e-6)
    assert estimate(design).cycles_per_frame.value == totals.cycles


def test_many_designs_at_once_are_not_replayed_and_say_so_by_their_interval() -> None:
    (figures,) = estimate_many([sliced(40_000)])
    assert figures is not None
    replayed = estimate(sliced(40_000)).cycles_per_frame
    assert figures.cycles_per_frame.high > replayed.value
    assert figures.cycles_per_frame.high / figures.cycles_per_frame.value > replayed.high / replayed.value


def test_layers_that_are_not_sliced_keep_their_own_pace_but_an_unrolled_first_one_takes_a_row_more() -> None:
    design = replace(sliced(0.0), accelerator=AcceleratorChoices())
    folding = solve(design)
    totals = network_totals(design, folding)
    assert not totals.sliced
    assert max(layer_cycle_counts(design, folding)) == 8 * 18
    assert totals.cycles == 9 * 18


def test_simulated_networks_with_sliced_layers_lie_within_the_interval() -> None:
    networks = [each for each in read_simulated() if any(layer.slices > 1 for layer in each.folding.convs)]
    errors = [each.modelled()[0] / each.cycles_per_frame - 1 for each in networks]
    inside = sum(abs(error) <= CYCLES_SLICED_HALF_WIDTH for error in errors)
    assert len(networks) >= 20
    assert inside >= 0.85 * len(networks)
