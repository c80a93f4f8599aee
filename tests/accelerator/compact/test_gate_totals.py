# amaranth: UnusedElaboratable=no
import random

import pytest
from amaranth.sim import Simulator

from fracdse.accelerator.compact.gate_totals import GateTotals
from fracdse.compact_plan import LANES


async def clear(ctx, unit):
    ctx.set(unit.clear, 1)
    await ctx.tick()
    ctx.set(unit.clear, 0)
    for _ in range(unit.slots + 2):
        await ctx.tick()


async def totals(ctx, unit):
    """Read all totals as the registers do: when their slot comes."""
    seen = {}
    for _ in range(3 * unit.slots):
        await ctx.tick()
        seen[ctx.get(unit.slot)] = ctx.get(unit.total)
    return [seen[layer] for layer in range(unit.layers)]


def simulate(unit, bench, module=None):
    simulator = Simulator(module or unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("layers", [1, 6, 18])
def test_counts_go_to_their_layers_and_clear_forgets_them(layers):
    unit = GateTotals(layers, LANES)
    rng = random.Random(layers)

    async def bench(ctx):
        for _ in range(2):
            await clear(ctx, unit)
            want = [0] * layers
            for _ in range(600):
                layer, count, valid = rng.randrange(layers), rng.randrange(LANES + 1), rng.random() < 0.6
                ctx.set(unit.open_gates, count)
                ctx.set(unit.open_gates_layer, layer)
                ctx.set(unit.open_gates_valid, int(valid))
                want[layer] += count * valid
                await ctx.tick()
            ctx.set(unit.open_gates_valid, 0)
            assert await totals(ctx, unit) == want

    simulate(unit, bench)


def test_totals_are_there_without_a_clear_and_while_pixels_come():
    unit = GateTotals(3, LANES)

    async def bench(ctx):
        for _ in range(unit.slots + 2):
            await ctx.tick()
        seen = set()
        ctx.set(unit.open_gates, 5)
        ctx.set(unit.open_gates_layer, 1)
        # At the fastest a layer's pixels come every other cycle.
        for cycle in range(20 * unit.slots):
            ctx.set(unit.open_gates_valid, cycle % 2)
            await ctx.tick()
            seen.add(ctx.get(unit.slot))
        assert seen == set(range(unit.slots))
        ctx.set(unit.open_gates_valid, 0)
        assert await totals(ctx, unit) == [0, 5 * 10 * unit.slots, 0]

    simulate(unit, bench)


def test_a_total_has_64_bits():
    unit = GateTotals(2, LANES)
    module = unit.elaborate(None)
    memory = module.submodules.totals

    async def bench(ctx):
        await clear(ctx, unit)
        ctx.set(memory.data[1], 2**63 + 2**32 - 3)
        ctx.set(unit.open_gates, LANES)
        ctx.set(unit.open_gates_layer, 1)
        ctx.set(unit.open_gates_valid, 1)
        await ctx.tick()
        ctx.set(unit.open_gates_valid, 0)
        assert await totals(ctx, unit) == [0, 2**63 + 2**32 + 5]

    simulate(unit, bench, module)
