import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design

from fracdse.accelerator.compact.pool import CompactPool
from fracdse.compact_plan import LANES, compact_plan
from fracdse.program.fixed_point import rounding_half


@pytest.mark.parametrize(
    ("shift", "kind"), [(4, "random"), (0, "random"), (4, "lowest"), (4, "highest"), (6, "random")]
)
def test_every_frame_has_its_means(shift, kind):
    bits = 12
    plan = compact_plan(compact_design())
    layer = plan.layers[-1]
    rng = np.random.default_rng(shift)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    words = rng.integers(low, high + 1, (3, layer.rows, layer.words, layer.columns, LANES))
    if kind != "random":
        words[...] = low if kind == "lowest" else high
    unit = CompactPool(plan, feature_bits=bits, shift=shift)
    got = []

    async def send(ctx, value, *, valid=1, last_layer=1, place=(0, 0, 0)):
        row, word, column = place
        ctx.set(unit.word.valid, valid)
        ctx.set(unit.word.last_layer, last_layer)
        ctx.set(unit.word.word, word)
        ctx.set(unit.word.first_pixel, int(row == 0 and column == 0))
        ctx.set(unit.word.last_pixel, int(row == layer.rows - 1 and column == layer.columns - 1))
        for lane in range(LANES):
            ctx.set(unit.value[lane], int(value[lane]))
        await ctx.tick()
        if ctx.get(unit.pooled.valid):
            got.append([ctx.get(unit.pooled.payload[lane]) for lane in range(LANES)])

    async def bench(ctx):
        for frame in words:
            for row, word, column in np.ndindex(frame.shape[:3]):
                value = frame[row, word, column]
                # Nothing of other layers counts, nor what is beside no word.
                await send(ctx, value, last_layer=0, place=(0, word, 0))
                await send(ctx, value, valid=0, place=(layer.rows - 1, word, layer.columns - 1))
                await send(ctx, value, place=(row, word, column))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    want = (words.sum((1, 3)) + rounding_half(shift)) >> shift
    assert got == want.reshape(-1, LANES).tolist()
