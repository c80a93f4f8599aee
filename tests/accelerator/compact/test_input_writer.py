import random

import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design

from fracdse.accelerator.compact.input_writer import InputWriter
from fracdse.build.simulation import frame_words
from fracdse.compact_plan import SLOTS, compact_plan
from fracdse.program.float_reference import thermometer_counts


@pytest.mark.parametrize(
    ("resolution", "colours", "busy"), [(32, 1, 0.0), (4, 1, 0.5), (10, 1, 0.3), (16, 3, 0.5), (43, 3, 0.0)]
)
def test_rows_of_levels(resolution, colours, busy):
    plan = compact_plan(compact_design(colours=colours, resolution=resolution))
    stem = plan.layers[0]
    images = np.random.default_rng(resolution).integers(0, 256, (2, 16, 16, colours), dtype=np.uint8)
    images[0, 0, :, 0] = np.arange(16) * 17
    words = [int(word) for word in frame_words(images).ravel()]
    counts = thermometer_counts(images, plan.levels, resolution)
    unit = InputWriter(plan)
    rng = random.Random(resolution)
    store = {}

    async def feed(ctx):
        for word in words:
            while rng.random() < busy / 2:
                await ctx.tick()
            ctx.set(unit.words.payload, word)
            ctx.set(unit.words.valid, 1)
            while True:
                _, _, ready = await ctx.tick().sample(unit.words.ready)
                if ready:
                    break
            ctx.set(unit.words.valid, 0)

    async def cycle(ctx):
        ctx.set(unit.blocked, int(rng.random() < busy))
        where = (unit.write_slot, unit.write_index, unit.write_column, unit.write_plane, unit.write_data)
        _, _, write, blocked, *where = await ctx.tick().sample(unit.write, unit.blocked, *where)
        if write and not blocked:
            store[tuple(where[:4])] = where[4]

    def check(frame, row):
        for column in range(stem.in_columns):
            for group in range(stem.groups):
                parts = stem.groups // colours
                count = counts[frame, row, column, group // parts]
                levels = range(group % parts * plan.group, (group % parts + 1) * plan.group)
                want = sum((level < min(count, plan.levels)) << i for i, level in enumerate(levels))
                index = group // 2 * stem.column_slots + column // SLOTS
                assert store[row % SLOTS, index, column % SLOTS, group % 2] == want

    async def bench(ctx):
        for frame in range(len(images)):
            ctx.set(unit.awaits_frame, 1)
            for at_row in range(stem.rows):
                needed = min(at_row + 2, stem.in_rows)
                limit = 0
                while ctx.get(unit.done_rows) < needed:
                    await cycle(ctx)
                    limit += 1
                    assert limit < 2000
                for _ in range(rng.choice([0, 0, 0, 150])):
                    await cycle(ctx)
                # One row more at the most is begun: the place of the one above is still in use.
                assert ctx.get(unit.done_rows) <= max(3, at_row + 2)
                ctx.set(unit.at_stem, 1)
                ctx.set(unit.awaits_frame, 0)
                ctx.set(unit.at_row, at_row)
                for row in range(max(0, at_row - 1), needed):
                    check(frame, row)
                for _ in range(rng.choice([1, 20, 60])):
                    await cycle(ctx)
                for row in range(max(0, at_row - 1), needed):
                    check(frame, row)
            ctx.set(unit.at_stem, 0)
            for _ in range(30):
                await cycle(ctx)
            assert ctx.get(unit.done_rows) == 0

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed, background=True)
    simulator.add_testbench(bench)
    simulator.run()
