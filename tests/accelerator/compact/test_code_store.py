import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design

from fracdse.accelerator.compact.code_store import CodeStore
from fracdse.compact_plan import LANES, SLOTS, compact_plan

OUTSIDE = {"first": 0b001, "last": 0b100, "": 0}


@pytest.mark.parametrize(("columns", "width"), [(16, 16), (32, 24)])
def test_windows_of_a_ring_of_rows(columns, width):
    plan = compact_plan(compact_design(columns=columns, width=width))
    layer = plan.layers[1]
    slots, rings, halves = layer.column_slots, plan.ring_rows // SLOTS, plan.group // LANES
    assert rings > 1
    rng = np.random.default_rng(columns)
    codes = rng.random((plan.ring_rows, columns, layer.groups, 2, plan.group)) < 0.5
    unit = CodeStore(plan)

    async def write(ctx):
        for row, column, group, plane in np.ndindex(codes.shape[:4]):
            for half in range(halves):
                bits = codes[row, column, group, plane, half * LANES : (half + 1) * LANES]
                ctx.set(unit.write_slot, row % SLOTS)
                ctx.set(unit.write_index, row // SLOTS * plan.ring_entries + group * slots + column // SLOTS)
                ctx.set(unit.write_column, column % SLOTS)
                ctx.set(unit.write_plane, plane)
                ctx.set(unit.write_halves, 1 << half)
                # The other half's share is not written.
                value = sum(int(bit) << i for i, bit in enumerate(bits))
                ctx.set(unit.write_data, value << (half * LANES) | (0x5A if half else 0x5A00) & (1 << plan.group) - 1)
                await ctx.tick()
        ctx.set(unit.write_halves, 0)

    async def bench(ctx):
        await write(ctx)
        for _ in range(400):
            upper, group, plane = (int(rng.integers(n)) for n in (plan.ring_rows, layer.groups, 2))
            column = int(rng.choice([0, 1, columns - 2, columns - 1, rng.integers(columns)]))
            side = "first" if column == 0 else "last" if column == columns - 1 else ""
            above = rng.choice(list(OUTSIDE))
            ctx.set(unit.slot, upper % SLOTS)
            ctx.set(unit.ring, upper // SLOTS)
            ctx.set(unit.ring_next, (upper // SLOTS + 1) % rings)
            ctx.set(unit.index, group * slots + column // SLOTS)
            ctx.set(unit.column, column % SLOTS)
            ctx.set(unit.plane, plane)
            ctx.set(unit.outside_columns, OUTSIDE[side])
            ctx.set(unit.outside_rows, OUTSIDE[above])
            await ctx.tick()
            want = np.zeros((3, 3, plan.group), bool)
            for i in range(3):
                for j in range(3):
                    if not (OUTSIDE[above] >> i | OUTSIDE[side] >> j) & 1:
                        want[i, j] = codes[(upper + i) % plan.ring_rows, column + j - 1, group, plane]
            taps = ctx.get(unit.taps)
            assert [taps >> i & 1 for i in range(plan.taps)] == list(want.ravel().astype(int))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
