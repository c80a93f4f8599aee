from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from stream_bench import exchange

from fracdse.accelerator.post import Post
from fracdse.accelerator.schedule import Schedule
from fracdse.program.fixed_point import saturate, saturate_word
from fracdse.program.model import GatedConvProgram

CHANNELS, FEATURE_BITS, Y_BITS = 8, 12, 9


def layer(rng, *, power_of_two=False, link=False, residual=False):
    multiplier = rng.integers(-500, 500, (2, CHANNELS))
    if power_of_two:
        multiplier = rng.choice([-1, 0, 1], (2, CHANNELS)) << rng.integers(2, 7, (2, CHANNELS))
    return GatedConvProgram(
        name="layer",
        weight=np.ones((CHANNELS, CHANNELS, 3, 3), np.int8),
        activation_thresholds=np.zeros((CHANNELS, 3), np.int64),
        descending=np.zeros(CHANNELS, bool),
        gate_threshold=np.zeros(CHANNELS, np.int64),
        clip_bits=0,
        split=rng.integers(-100, 100, CHANNELS),
        multiplier=multiplier,
        offset=rng.integers(-9000, 9000, (2, CHANNELS)),
        shift=4,
        stride=1,
        residual_multiplier=1 << rng.integers(0, 5, CHANNELS) if residual else None,
        residual_shift=3 if residual else 0,
        # The largest of these take a linked sum past its 18 bits.
        link_multiplier=rng.choice([1, -3, 40, -90, 600, -600], CHANNELS) if link else None,
        link_offset=rng.integers(-60, 60, CHANNELS) if link else None,
        link_shift=2 if link else 0,
    )


def expected_u(program, y, x, si):
    if program.link_multiplier is not None:
        y = saturate(y + ((program.link_multiplier * x + program.link_offset) >> program.link_shift), 18)
    side = (y >= program.split).astype(int)
    channel = np.arange(CHANNELS)[None]
    r = x if program.residual_multiplier is None else (program.residual_multiplier * x) >> program.residual_shift
    v = (program.multiplier[side, channel] * y + program.offset[side, channel]) >> program.shift
    return saturate_word(r + v + si, FEATURE_BITS)


@pytest.mark.parametrize("lanes", [1, 2, 8])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize(
    "extras", [(False, False, False), (True, False, False), (False, True, True), (True, True, True)]
)
def test_post_matches_the_contract(lanes, power_of_two, extras):
    link, residual, with_si = extras
    rng = np.random.default_rng(lanes)
    program = layer(rng, power_of_two=power_of_two, link=link, residual=residual)
    schedule = Schedule(lanes, tuple(int(c) for c in rng.permutation(CHANNELS)))
    pixels = 25
    y = rng.integers(-256, 256, (pixels, CHANNELS))
    x = rng.integers(-2048, 2048, (pixels, CHANNELS))
    y[:4] = np.array([-256, 255, 255, -256])[:, None]
    x[:4] = np.array([-2048, 2047, -2048, 2047])[:, None]
    y[4] = program.split
    y[5] = program.split - 1
    si = rng.integers(-512, 512, (pixels, CHANNELS)) if with_si else np.zeros((pixels, CHANNELS), np.int64)

    def beats(values):
        return values[:, list(schedule.order)].reshape(-1, lanes).tolist()

    unit = Post(
        program,
        schedule,
        y_bits=Y_BITS,
        shortcut_shape=signed(FEATURE_BITS),
        feature_bits=FEATURE_BITS,
        si_bits=10 if with_si else 0,
    )
    inputs = {"sums": beats(y), "shortcut": beats(x)} | ({"si": beats(si)} if with_si else {})
    got, _ = exchange(unit, inputs, {"u": len(inputs["sums"])}, seed=lanes)
    assert got["u"] == beats(expected_u(program, y, x, si))


def test_post_takes_a_beat_a_cycle():
    rng = np.random.default_rng(0)
    program = layer(rng)
    unit = Post(program, Schedule(8, tuple(range(8))), y_bits=9, shortcut_shape=signed(12), feature_bits=12)
    beats = rng.integers(-200, 200, (50, 8)).tolist()
    _, cycles = exchange(unit, {"sums": beats, "shortcut": beats}, {"u": 50}, gaps=0, stalls=0)
    assert cycles <= 50 + 6


def test_three_times_powers_of_two_need_no_multiplier():
    rng = np.random.default_rng(3)
    program = layer(rng, power_of_two=True)
    program = replace(program, multiplier=3 * program.multiplier)
    unit = Post(program, Schedule(4, tuple(range(8))), y_bits=9, shortcut_shape=signed(12), feature_bits=12)
    y, x = rng.integers(-256, 256, (9, 8)), rng.integers(-2048, 2048, (9, 8))
    got, _ = exchange(unit, {"sums": y.reshape(-1, 4).tolist(), "shortcut": x.reshape(-1, 4).tolist()}, {"u": 18})
    assert got["u"] == expected_u(program, y, x, 0).reshape(-1, 4).tolist()


@pytest.mark.parametrize("residual", [False, True])
def test_codes_of_a_quantised_shortcut_count_as_positive(residual):
    rng = np.random.default_rng(5)
    program = layer(rng, link=True, residual=residual)
    unit = Post(program, Schedule(2, tuple(range(8))), y_bits=9, shortcut_shape=unsigned(3), feature_bits=12)
    y, x = rng.integers(-256, 256, (9, 8)), rng.integers(0, 8, (9, 8))
    got, _ = exchange(unit, {"sums": y.reshape(-1, 2).tolist(), "shortcut": x.reshape(-1, 2).tolist()}, {"u": 36})
    assert got["u"] == expected_u(program, y, x, 0).reshape(-1, 2).tolist()
