from __future__ import annotations

from typing import Any

import pytest
from conv_bench import Case, case, contract, images, run
from test_gated_conv import check

from fracdse.folding import codes_a_beat


def frame_cycles(tested: Case, frames: Any, **options: Any) -> int:
    """Return the cycles between the ends of the first two frames."""
    beats = tested.spec.out_height * tested.spec.out_width * tested.spec.out_channels
    ends = run(tested, frames, **options).beat_cycles[beats - 1 :: beats]
    return ends[1] - ends[0]


def sliced(size: tuple[int, int], slices: int, **options: Any) -> Case:
    return case((8, 8), size, 1, slices=slices, **options)


@pytest.mark.parametrize("memory", ["logic", "bram"])
@pytest.mark.parametrize(("stride", "size"), [(1, (4, 5)), (2, (4, 6))])
@pytest.mark.parametrize(("slices", "producer_lanes"), [(3, 1), (6, 2), (12, 1), (12, 4)])
def test_sums_equal_the_contract_in_every_number_of_slices(
    memory: str, stride: int, size: tuple[int, int], slices: int, producer_lanes: int
) -> None:
    tested = sliced(size, slices, memory=memory, stride=stride, producer_lanes=producer_lanes)
    check(tested, gaps=0.3, stalls=0.3)


@pytest.mark.parametrize("channels", [(6, 5), (2, 3), (12, 24)])
def test_channels_that_are_no_powers_of_two(channels: tuple[int, int]) -> None:
    check(case(channels, (3, 4), 1, slices=3 * (channels[0] // 2), producer_lanes=1), gaps=0.2)


@pytest.mark.parametrize("threshold", [-1000, 1000])
def test_gates_all_open_and_all_shut(threshold: int) -> None:
    check(sliced((4, 4), 6, threshold=threshold), stalls=0.2)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1), (2, 2), (2, 3)])
def test_images_that_are_all_border(size: tuple[int, int]) -> None:
    check(sliced(size, 6), frames=3, gaps=0.3)


def test_clipped_sums_saturate_at_both_ends() -> None:
    check(sliced((4, 4), 3, clip_bits=4))


@pytest.mark.parametrize("options", [{"frame_pause": 150}, {"stalls": 0.9}, {"gaps": 0.9}, {}])
@pytest.mark.parametrize(("stride", "slices", "producer_lanes"), [(1, 6, 1), (2, 12, 4)])
def test_late_frames_and_a_slow_sink_lose_nothing(
    options: dict[str, Any], stride: int, slices: int, producer_lanes: int
) -> None:
    check(sliced((4, 4), slices, stride=stride, producer_lanes=producer_lanes), frames=3, **options)


@pytest.mark.parametrize("pixels", [1, 7, 11])
def test_a_reset_in_mid_frame_leaves_no_trace(pixels: int) -> None:
    check(sliced((3, 4), 6), pixels_before_reset=pixels, stalls=0.3)


@pytest.mark.parametrize(("stride", "slices"), [(1, 3), (1, 12), (2, 6)])
def test_a_frame_takes_the_cycles_that_the_model_counts(stride: int, slices: int) -> None:
    from fracdse.gates import LayerGates
    from fracdse.hardware.cycles import conv_cycles

    tested = case((16, 16), (6, 6), 1, stride=stride, slices=slices, producer_lanes=16)
    frames = images(tested, 3)
    open_gates = contract(tested, frames[1])[1].sum() / (tested.spec.out_height * tested.spec.out_width)
    expected = conv_cycles(tested.spec, tested.folding, LayerGates("", 0.0, {1: open_gates}))
    assert frame_cycles(tested, frames) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("stride", "slices"), [(1, 3), (1, 6), (1, 12), (2, 3), (2, 6), (2, 12)])
def test_with_all_gates_shut_the_model_counts_every_cycle(stride: int, slices: int) -> None:
    from fracdse.gates import LayerGates
    from fracdse.hardware.cycles import conv_cycles

    tested = case((8, 8), (4, 6), 1, stride=stride, slices=slices, producer_lanes=8, threshold=1000)
    assert frame_cycles(tested, images(tested, 3)) == conv_cycles(
        tested.spec, tested.folding, LayerGates("", 0.0, {1: 0.0})
    )


def test_a_frame_that_comes_before_the_lane_is_out_of_work_costs_nothing() -> None:
    """So two layers of equal pace do not wait for each other at the turn of frames."""
    tested = sliced((4, 4), 6, producer_lanes=8)
    frames = images(tested, 3)
    at_once, pixel = frame_cycles(tested, frames), frame_cycles(tested, frames) / 16
    assert frame_cycles(tested, frames, frame_pause=int(3 * pixel)) <= at_once + 2
    assert frame_cycles(tested, frames, frame_pause=int(9 * pixel)) > at_once + pixel


def test_codes_come_one_by_one_where_they_fill_a_group() -> None:
    assert codes_a_beat(16, 1, 4) == 16
    assert codes_a_beat(16, 6, 4) == 4
    assert codes_a_beat(16, 12, 8) == 16
    assert codes_a_beat(24, 9, 3) == 24
