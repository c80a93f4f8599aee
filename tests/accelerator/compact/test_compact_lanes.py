import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design
from lane_weights import edge_counts, masked, parities

from fracdse.accelerator.compact.lanes import Lanes
from fracdse.accelerator.lane_counter import word
from fracdse.compact_plan import LANES, compact_plan

ROWS = ((1, 0, 0), (0, 0, 0), (0, 0, 1))
COLUMNS = ROWS


@pytest.mark.parametrize("width", [16, 24])
@pytest.mark.parametrize("density", [0.5, 0.0, 1.0])
def test_sums_at_all_nine_places_of_a_border(width, density):
    plan = compact_plan(compact_design(width=width))
    layer = plan.layers[-1]
    groups, taps = layer.groups, plan.taps
    rng = np.random.default_rng(width)
    inverted = rng.random((groups, LANES, taps)) < density
    digits = rng.random((len(ROWS), len(COLUMNS), groups, taps)) < 0.5
    if density != 0.5:
        digits[...] = np.random.default_rng(0).random(digits.shape) < 0.05
    unit = Lanes(plan)
    latency = unit.latency
    inside = np.zeros((len(ROWS), len(COLUMNS), taps), bool)
    steps = []
    for i, rows in enumerate(ROWS):
        for j, columns in enumerate(COLUMNS):
            inside[i, j] = np.repeat(np.outer(1 - np.array(rows), 1 - np.array(columns)).ravel(), plan.group)
        steps += [(i, j, group) for group in range(groups) for j in range(len(COLUMNS))]
    products = digits[:, :, :, None, :] ^ inverted[None, None]
    want = (np.where(products, 1, -1) * inside[:, :, None, None, :]).sum((2, 4)) // 2
    got = {}

    async def bench(ctx):
        for at in range(len(steps) + latency + 1):
            if at < len(steps):
                i, j, group = steps[at]
                edge = any(COLUMNS[j])
                ctx.set(unit.left, COLUMNS[j][0])
                ctx.set(unit.right, COLUMNS[j][2])
                ctx.set(unit.first_group, int(group == 0))
                ctx.set(unit.start, plan.start_sum(layer, 3 - sum(ROWS[i]), 3 - int(edge)))
                ctx.set(unit.place, j)
            ctx.set(unit.valid, int(at < len(steps)))
            if 1 <= at <= len(steps):
                i, j, group = steps[at - 1]
                ctx.set(unit.taps, word(digits[i, j, group] & inside[i, j]))
                for lane in range(LANES):
                    weights = masked(inverted[group, lane], ROWS[i])
                    ctx.set(unit.weights[lane], parities(weights))
                    for side, count in enumerate(edge_counts(plan, weights)):
                        ctx.set(unit.edges[lane][side], count)
            if at >= latency + 1 and steps[at - latency - 1][2] == groups - 1:
                i, j, _ = steps[at - latency - 1]
                got[i, j] = [ctx.get(unit.sums[lane]) for lane in range(LANES)]
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert {place: list(want[place]) for place in got} == got
    assert len(got) == len(ROWS) * len(COLUMNS)
