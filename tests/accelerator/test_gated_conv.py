from __future__ import annotations

from typing import Any

import pytest
from conv_bench import Case, case, expected_beats, images, run

from fracdse.gates import LayerGates
from fracdse.hardware.cycles import conv_cycles
from fracdse.mixed_weights import logic_bits

MEMORIES = ("logic", "lutram", "bram", "mixed")


def check(tested: Case, frames: int = 2, **options: Any) -> None:
    sent = images(tested, frames)
    beats, gates = expected_beats(tested, sent)
    got = run(tested, sent, **options)
    assert got.beats == beats
    assert sum(got.gates) == sum(gates)
    assert tested.folding.slices > 1 or got.gates == gates


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, (4, 5)), (3, 2, (4, 6)), (1, 1, (3, 3)), (1, 2, (4, 4))])
def test_sums_equal_the_contract_in_every_memory_and_form(
    memory: str, kernel: int, stride: int, size: tuple[int, int]
) -> None:
    check(case((6, 8), size, 2, memory, kernel=kernel, stride=stride), gaps=0.3, stalls=0.3)


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_sums_equal_the_contract_with_any_number_of_lanes(lanes: int) -> None:
    check(case((4, 8), (4, 4), lanes, seed=lanes), gaps=0.2, stalls=0.2)


@pytest.mark.parametrize("memory", MEMORIES)
def test_more_steps_than_logic_can_fuse(memory: str) -> None:
    check(case((3, 24), (3, 3), 2, memory), gaps=0.2, stalls=0.2)


@pytest.mark.parametrize("stride", [1, 2])
def test_weights_in_blocks_and_logic_side_by_side(stride: int) -> None:
    moved = logic_bits(16, border_bits=4 if stride == 1 else 2, steps=32)
    assert 0 < len(moved) < 9 * 16
    check(case((16, 64), (4, 4), 2, "mixed", stride=stride), gaps=0.2, stalls=0.2)


@pytest.mark.parametrize(("memory", "lanes"), [("logic", 2), ("bram", 2), ("logic", 4), ("logic", 8)])
@pytest.mark.parametrize("threshold", [-1000, 1000])
def test_gates_all_open_and_all_shut(memory: str, lanes: int, threshold: int) -> None:
    tested = case((4, 8), (4, 4), lanes, memory, threshold=threshold)
    check(tested, stalls=0.2)
    gates = run(tested, images(tested, 1)).gates
    assert gates == [8 if threshold < 0 else 0] * 16


@pytest.mark.parametrize("lanes", [2, 4])
def test_clipped_sums_saturate_at_both_ends(lanes: int) -> None:
    tested = case((6, 8), (4, 4), lanes, clip_bits=4)
    beats, _ = expected_beats(tested, images(tested, 2))
    assert {-8, 7} <= {y for beat in beats for y in beat}
    check(tested)


@pytest.mark.parametrize("inputs", [1, 3, 5])
@pytest.mark.parametrize("lanes", [2, 4])
def test_odd_numbers_of_channels_change_parity_at_borders(inputs: int, lanes: int) -> None:
    check(case((inputs, 8), (3, 4), lanes))
    check(case((inputs, 8), (3, 3), 2, "bram"))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1), (2, 2)])
@pytest.mark.parametrize("lanes", [2, 4])
def test_images_that_are_all_border(size: tuple[int, int], lanes: int) -> None:
    check(case((4, 8), size, lanes), frames=3, gaps=0.3)


@pytest.mark.parametrize(("memory", "lanes"), [("logic", 2), ("bram", 1), ("logic", 4)])
def test_late_frames_and_a_slow_sink_lose_nothing(memory: str, lanes: int) -> None:
    tested = case((4, 8), (3, 4), lanes, memory)
    check(tested, frames=3, frame_pause=150)
    check(tested, frames=2, stalls=0.9)
    check(tested, frames=2, gaps=0.9)


@pytest.mark.parametrize(("memory", "lanes"), [("logic", 2), ("bram", 2), ("logic", 4)])
@pytest.mark.parametrize("pixels", [1, 7, 11])
def test_a_reset_in_mid_frame_leaves_no_trace(memory: str, lanes: int, pixels: int) -> None:
    check(case((4, 8), (3, 4), lanes, memory), pixels_before_reset=pixels, stalls=0.3)


def test_a_folded_frame_takes_its_passes_and_two_cycles_a_row() -> None:
    tested = case((8, 16), (6, 6), 2, seed=3)
    frames = images(tested, 3)
    got = run(tested, frames)
    ends = got.beat_cycles[6 * 6 * 8 - 1 :: 6 * 6 * 8]
    passes = 0
    for row in _lane_counts(tested, frames[1]):
        passes += 8 + max(1, max(row))
    assert ends[1] - ends[0] <= (passes + 2 * 6) * 1.1


def test_an_unrolled_frame_takes_two_cycles_a_column() -> None:
    tested = case((4, 8), (6, 6), 4)
    got = run(tested, images(tested, 3))
    ends = got.beat_cycles[6 * 6 * 2 - 1 :: 6 * 6 * 2]
    assert ends[2] - ends[1] == ends[1] - ends[0] == 2 * 6 * (6 + 1)


def _lane_counts(tested: Case, frame: Any) -> list[list[int]]:
    from conv_bench import contract

    _, gate = contract(tested, frame)
    pixels = gate[tested.order].reshape(len(tested.order), -1).T
    return [
        [int(pixel[lane :: tested.folding.lanes].sum()) for lane in range(tested.folding.lanes)] for pixel in pixels
    ]


@pytest.mark.parametrize(
    ("channels", "size", "lanes", "cycles"), [((8, 16), (16, 16), 4, 544), ((6, 12), (8, 24), 3, 432)]
)
def test_a_strided_layer_runs_late_passes_while_it_takes_in_a_row(
    channels: tuple[int, int], size: tuple[int, int], lanes: int, cycles: int
) -> None:
    """With all gates open the model counts every cycle: the skipped row hides the passes that come late."""
    tested = case(channels, size, lanes, "lutram", stride=2, producer_lanes=channels[0], threshold=-1000)
    beats = tested.spec.out_height * tested.spec.out_width * channels[1] // lanes
    ends = run(tested, images(tested, 3)).beat_cycles[beats - 1 :: beats]
    steps = channels[1] // lanes
    gates = LayerGates("", 1.0, {lanes: float(steps), channels[1]: 1.0})
    assert ends[2] - ends[1] == conv_cycles(tested.spec, tested.folding, gates) == cycles
