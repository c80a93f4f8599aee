from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from fracdse.accelerator.compressor_tree import compress


def settle(columns: list[dict[int, int]], width: int, constant: int, *, register_inputs: bool, seed: int) -> None:
    """Compress random columns of the given heights and compare with the sum."""
    rng = random.Random(seed)
    m = Module()
    ports = [{c: Signal(height, name=f"s{s}c{c}") for c, height in part.items()} for s, part in enumerate(columns)]
    arrivals: list[dict[int, Any]] = []
    for stage, part in enumerate(ports):
        late: dict[int, Any] = {}
        for column, bits in part.items():
            for _ in range(stage):
                later = Signal(len(bits))
                m.d.sync += later.eq(bits)
                bits = later
            late[column] = [bits]
        arrivals.append(late)
    counted = compress(m, arrivals, width, constant, register_inputs=register_inputs)

    async def bench(ctx: Any) -> None:
        for _ in range(6):
            total = constant
            for part in ports:
                for column, bits in part.items():
                    value = rng.getrandbits(len(bits))
                    ctx.set(bits, value)
                    total += value.bit_count() << column
            for _ in range(counted.latency):
                await ctx.tick()
            assert ctx.get(counted.value) == total % (1 << width)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("height", [1, 2, 3, 5, 6, 7, 11, 18, 37, 144, 300])
def test_one_column_is_counted(height: int) -> None:
    settle([{0: height}], height.bit_length(), 0, register_inputs=True, seed=height)


@pytest.mark.parametrize("seed", range(6))
def test_many_columns_and_a_constant_add_up_modulo_the_width(seed: int) -> None:
    rng = random.Random(seed)
    heights = {column: rng.randrange(1, 40) for column in rng.sample(range(7), 4)}
    settle([heights], 8, rng.randrange(-200, 200), register_inputs=bool(seed % 2), seed=seed)


def test_columns_that_arrive_later_join_their_stage() -> None:
    settle([{0: 40, 1: 3}, {1: 7}, {0: 2}], 7, 5, register_inputs=True, seed=1)


@pytest.mark.parametrize("heights", [{0: 1}, {2: 1}])
def test_single_bits(heights: dict[int, int]) -> None:
    settle([heights], 4, 3, register_inputs=True, seed=0)
    settle([heights], 4, 0, register_inputs=False, seed=0)
