import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design
from lane_weights import edge_counts, masked, parities
from random_programs import random_program

from fracdse.accelerator.compact.weight_loader import WeightLoader
from fracdse.accelerator.compact.weights import level_sizes, weight_words
from fracdse.accelerator.lane_counter import word
from fracdse.compact_plan import LANES, compact_plan


def bits_of(number, count):
    return np.array([number >> i & 1 for i in range(count)], bool)


@pytest.mark.parametrize(("width", "resolution", "colours"), [(16, 32, 1), (24, 8, 3), (16, 14, 1)])
def test_weights_lie_in_the_order_of_blocks(width, resolution, colours):
    design = compact_design(width=width, resolution=resolution, colours=colours)
    plan, program = compact_plan(design), random_program(design, 1)
    words = iter(weight_words(program, plan))
    group = plan.group
    for layer, spec in enumerate(plan.layers):
        for first in range(0, spec.words * LANES, LANES):
            for block in range(spec.groups):
                for lane in range(LANES):
                    got = bits_of(next(words), plan.taps).reshape(3, 3, group)
                    if layer == 0:
                        parts = spec.groups // colours
                        levels = range(block % parts * group, min(plan.levels, (block % parts + 1) * group))
                        channels = [block // parts * plan.levels + level for level in levels]
                        want = program.stem.weight[first + lane, channels] < 0
                    else:
                        channels = range(block * group, (block + 1) * group)
                        conv = program.convs[layer - 1]
                        want = (conv.weight[first + lane, channels] < 0) ^ conv.descending[channels, None, None]
                    assert (got[..., : len(channels)] == want.transpose(1, 2, 0)).all()
                    assert not got[..., len(channels) :].any()
    assert next(words, None) is None


@pytest.mark.parametrize("width", [16, 24])
def test_loader_hands_over_a_blocks_weights(width):
    plan = compact_plan(compact_design(width=width))
    rng = np.random.default_rng(width)
    blocks = rng.random((6, LANES, plan.taps)) < 0.5
    unit = WeightLoader(plan, [word(bits) for bits in blocks.reshape(-1, plan.taps)])
    # Block, rows outside, and how it is reached: after the one before, at the layer's first, a new layer, the first.
    order = [
        (0, (1, 0, 0), ""),
        (1, (0, 0, 0), ""),
        (0, (0, 0, 1), "rewind"),
        (1, (0, 0, 0), ""),
        (2, (1, 0, 0), "enter"),
        (3, (0, 0, 0), ""),
        (2, (0, 0, 1), "rewind"),
        (3, (0, 0, 0), ""),
        (4, (0, 0, 0), "enter"),
        (5, (0, 0, 0), ""),
        (0, (0, 0, 0), "restart"),
        (1, (0, 0, 0), ""),
        (0, (1, 0, 0), "rewind"),
    ]

    async def bench(ctx):
        for block, outside, way in order:
            ctx.set(unit.load, 1)
            ctx.set(unit.outside_rows, sum(bit << i for i, bit in enumerate(outside)))
            for name in ("rewind", "enter", "restart"):
                # A restart is an entry to a layer, too.
                ctx.set(getattr(unit, name), int(name == way or (name == "enter" and way == "restart")))
            await ctx.tick()
            ctx.set(unit.load, 0)
            cycles = 0
            while not ctx.get(unit.loaded):
                cycles += 1
                assert cycles < 40
                await ctx.tick()
            await ctx.tick()
            await ctx.tick()
            ctx.set(unit.take, 1)
            await ctx.tick()
            ctx.set(unit.take, 0)
            for lane in range(LANES):
                weights = masked(blocks[block, lane], outside)
                assert ctx.get(unit.weights[lane]) == parities(weights)
                assert [ctx.get(unit.edges[lane][side]) for side in (0, 1)] == edge_counts(plan, weights)
            assert not ctx.get(unit.loaded)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_levels_shrink_by_two_thirds():
    assert level_sizes(144) == [144, 48, 16, 6, 2]
    assert level_sizes(72) == [72, 24, 8, 4, 2]
