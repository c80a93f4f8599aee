import numpy as np
import pytest
from amaranth.hdl import Module
from stream_bench import exchange

from fracdse.accelerator.gearbox import Gearbox
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.stem import Stem
from fracdse.accelerator.thermometer import code_bits, level_codes, level_sums
from fracdse.program.fixed_point import saturate_word
from fracdse.program.model import StemProgram
from fracdse.topology import StemSpec, has_full_flag


def words_of(images):
    """images: (frames, rows, columns, colours) uint8."""
    words = []
    for image in images:
        data = image.tobytes()
        data += bytes(-len(data) % 4)
        words += np.frombuffer(data, "<u4").tolist()
    return words


def expected_u(spec, program, images, bits):
    counts = np.minimum(np.rint(images / spec.resolution), spec.levels)
    level = np.where(np.arange(spec.levels) < counts[..., None], 1, -1)
    planes = level.reshape(*images.shape[:3], -1)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = images.shape[1:3]
    y = sum(
        np.einsum("nhwi,ci->nhwc", padded[:, i : i + height, j : j + width], program.weight[:, :, i, j].astype(int))
        for i in range(3)
        for j in range(3)
    )[:, :: spec.stride, :: spec.stride]
    return saturate_word((y * program.multiplier + program.offset) >> program.shift, bits)


def stem_program(rng, spec, multiplier):
    weight = rng.choice([-1, 1], (spec.out_channels, spec.in_channels, 3, 3)).astype(np.int8)
    weight[0] = 1
    return StemProgram(weight, np.resize(multiplier, spec.out_channels), rng.integers(-300, 300, spec.out_channels), 2)


@pytest.mark.parametrize(("form", "slices"), [("table", 1), ("popcount", 1), ("table", 3), ("popcount", 9)])
@pytest.mark.parametrize(
    ("colours", "resolution", "height", "width", "stride", "lanes", "multiplier"),
    [
        (1, 64, 4, 4, 1, 2, [4]),
        (3, 32, 4, 5, 1, 4, [4, -8, 0, 16]),
        (3, 100, 6, 4, 2, 1, [5, -7, 3]),
        (1, 4, 4, 4, 1, 2, [12, -6]),
        (1, 255, 5, 3, 1, 4, [300]),
    ],
)
def test_stem_matches_the_contract(form, slices, colours, resolution, height, width, stride, lanes, multiplier):
    rng = np.random.default_rng(height * width)
    spec = StemSpec("stem", colours, round(255 / resolution), resolution, 4, height, width, stride)
    program = stem_program(rng, spec, np.array(multiplier))
    images = rng.integers(0, 256, (3, height, width, colours), dtype=np.uint8)
    images[1] = 255
    schedule = Schedule(lanes, tuple(int(c) for c in rng.permutation(4)))
    want = expected_u(spec, program, images, 10)[..., list(schedule.order)].reshape(-1, lanes).tolist()
    for gaps, stalls in ((0.0, 0.0), (0.4, 0.4)):
        unit = Stem(spec, program, schedule, form=form, feature_bits=10, slices=slices)
        got, _ = exchange(unit, {"words": words_of(images)}, {"u": len(want)}, gaps=gaps, stalls=stalls)
        assert got["u"] == want


@pytest.mark.parametrize("colours", [1, 3])
def test_gearbox_keeps_up_and_drops_the_padding(colours):
    rng = np.random.default_rng(colours)
    images = rng.integers(0, 256, (3, 5, 5, colours), dtype=np.uint8)
    unit = Gearbox(colours=colours, pixels=25)
    got, cycles = exchange(unit, {"words": words_of(images)}, {"pixels": 75}, gaps=0, stalls=0)
    assert got["pixels"] == images.reshape(-1, colours).tolist()
    assert cycles <= 75 * 5 // 4 + 12


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 32, 62, 63, 64, 255])
def test_codes_and_sums_agree_with_the_levels(levels):
    rng = np.random.default_rng(levels)
    weights = rng.choice([-1, 1], levels)
    table, full = level_sums(weights.tolist())
    codes = level_codes(max(1, 255 // levels), levels)
    mask = levels - 1 if has_full_flag(levels) else (1 << code_bits(levels)) - 1
    for pixel, code in enumerate(codes):
        count = min(round(pixel / max(1, 255 // levels)), levels)
        assert code < 1 << code_bits(levels)
        want = weights[:count].sum() - weights[count:].sum()
        assert table[code & mask] + full * (code > mask) == want


def test_narrow_sums_fill_a_wide_word():
    rng = np.random.default_rng(4)
    spec = StemSpec("stem", 1, 4, 64, 4, 4, 4, 1)
    program = stem_program(rng, spec, np.array([4]))
    images = rng.integers(0, 256, (1, 4, 4, 1), dtype=np.uint8)
    unit = Stem(spec, program, Schedule(2, (0, 1, 2, 3)), form="table", feature_bits=24)
    got, _ = exchange(unit, {"words": words_of(images)}, {"u": 32})
    assert got["u"] == expected_u(spec, program, images, 24).reshape(-1, 2).tolist()


def test_level_codes_round_half_to_even():
    codes = level_codes(8, 32)
    assert [codes[pixel] for pixel in (0, 4, 5, 12, 20, 251, 252, 255)] == [0, 0, 1, 2, 2, 31, 63, 63]


def test_reset_in_mid_frame_forgets_the_frame():
    from amaranth.hdl import ResetInserter, Signal
    from amaranth.sim import Simulator

    rng = np.random.default_rng(9)
    spec = StemSpec("stem", 1, 4, 64, 2, 4, 4, 1)
    program = stem_program(rng, spec, np.array([4]))
    stem = Stem(spec, program, Schedule(1, (0, 1)), form="table", feature_bits=10)
    restart = Signal()
    top = Module()
    top.submodules.stem = ResetInserter(restart)(stem)
    images = rng.integers(0, 256, (2, 4, 4, 1), dtype=np.uint8)
    want = expected_u(spec, program, images[1:], 10).reshape(-1).tolist()
    got = []

    async def bench(ctx):
        async def feed(words):
            for word in words:
                ctx.set(stem.words.payload, word)
                ctx.set(stem.words.valid, 1)
                while not (await ctx.tick().sample(stem.words.ready))[2]:
                    pass
                ctx.set(stem.words.valid, 0)

        ctx.set(stem.u.ready, 1)
        await feed(words_of(images[:1])[:3])
        ctx.set(restart, 1)
        await ctx.tick()
        ctx.set(restart, 0)
        await feed(words_of(images[1:]))

    async def read(ctx):
        while len(got) < 32:
            _, _, valid, payload, cleared = await ctx.tick().sample(stem.u.valid, stem.u.payload, restart)
            if cleared:
                got.clear()
            elif valid:
                got.append(payload[0])

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(read)
    simulator.run_until(1e-3)
    assert got == want
