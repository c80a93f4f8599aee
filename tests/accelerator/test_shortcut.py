import numpy as np
import pytest
from stream_bench import exchange

from fracdse.accelerator.reorder import plan_reorder
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.shortcut import Shortcut
from fracdse.program.model import GatedConvProgram
from fracdse.topology import GatedConvSpec


def spec_of(channels, out, size, stride, bits=0, kernel=3):
    return GatedConvSpec("l", channels, out, size, size, kernel, stride, bits, None, False, False, True, 0, 0)


def program_of(rng, channels, out, stride, bits=0, width=10):
    half = 1 << (width - 1)
    return GatedConvProgram(
        name="l",
        weight=np.ones((out, channels, 3, 3), np.int8),
        activation_thresholds=np.zeros((channels, 3), np.int64),
        descending=np.zeros(channels, bool),
        gate_threshold=np.zeros(out, np.int64),
        clip_bits=0,
        split=np.zeros(out, np.int64),
        multiplier=np.ones((2, out), np.int64),
        offset=np.zeros((2, out), np.int64),
        shift=0,
        stride=stride,
        shortcut_thresholds=np.sort(rng.integers(-half, half, (channels, (1 << bits) - 1)), axis=1) if bits else None,
        shortcut_descending=rng.integers(0, 2, channels).astype(bool) if bits else None,
    )


def expected_x(program, u, out):
    """u: (frames, channels, rows, columns)."""
    frames, channels, height, width = u.shape
    if program.stride == 2:
        u = (u.reshape(frames, channels, height // 2, 2, width // 2, 2).sum((3, 5)) + 2) >> 2
    if program.shortcut_thresholds is not None:
        t = program.shortcut_thresholds[None, :, None, None, :]
        code = (u[..., None] >= t).sum(-1)
        top = program.shortcut_thresholds.shape[1]
        u = np.where(program.shortcut_descending[None, :, None, None], top - code, code)
    return np.concatenate([u] * (out // channels), axis=1)


def beats(values, schedule):
    pixels = values.transpose(0, 2, 3, 1).reshape(-1, values.shape[1])
    return pixels[:, list(schedule.order)].reshape(-1, schedule.lanes).tolist()


CASES = [
    (4, 4, 1, 0, 1, 2),
    (4, 4, 1, 0, 4, 4),
    (4, 8, 2, 0, 2, 2),
    (4, 8, 2, 0, 4, 1),
    (4, 4, 1, 3, 2, 4),
    (4, 8, 2, 2, 4, 8),
    (6, 6, 1, 0, 2, 3),
]


@pytest.mark.parametrize(("channels", "out", "stride", "bits", "lanes_in", "lanes_out"), CASES)
@pytest.mark.parametrize("shuffled", [False, True])
def test_shortcut_matches_the_contract(channels, out, stride, bits, lanes_in, lanes_out, shuffled):
    rng = np.random.default_rng(lanes_in + 10 * lanes_out)
    program = program_of(rng, channels, out, stride, bits)
    orders = [rng.permutation(n) if shuffled else np.arange(n) for n in (channels, out)]
    producer, consumer = (Schedule(n, tuple(map(int, o))) for n, o in zip((lanes_in, lanes_out), orders, strict=True))
    u = rng.integers(-512, 512, (3, channels, 4, 4))
    u[0, :, 0, :] = 511
    u[0, :, 2:, :] = -512
    unit = Shortcut(spec_of(channels, out, 4, stride, bits), program, producer, consumer, feature_bits=10)
    want = beats(expected_x(program, u, out), consumer)
    for gaps, stalls in ((0.0, 0.0), (0.0, 0.9), (0.5, 0.3)):
        got, _ = exchange(unit, {"u": beats(u, producer)}, {"x": len(want)}, gaps=gaps, stalls=stalls)
        assert got["x"] == want


def test_equal_schedules_share_one_memory_and_need_no_crossing():
    schedule = Schedule(4, tuple(range(16)))
    plan = plan_reorder(schedule, schedule)
    assert len(plan.memories) == 1
    assert [bank.lane for bank in plan.memories[0]] == [0, 1, 2, 3]
    assert all(source == (0, lane) for lane, sources in enumerate(plan.sources) for source in sources)


def test_a_bank_is_copied_when_two_lanes_need_different_words_of_it():
    plan = plan_reorder(Schedule(2, (0, 1, 2, 3)), Schedule(2, (0, 2, 1, 3)))
    lanes = [bank.lane for banks in plan.memories for bank in banks]
    assert sorted(lanes) == [0, 0, 1, 1]
