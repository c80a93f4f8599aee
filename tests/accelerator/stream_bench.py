"""Drive and read the streams of one unit in Amaranth's simulator, with random gaps and an optional reset."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Beat = Sequence[int] | int


def exchange(
    unit: Elaboratable,
    inputs: Mapping[str, Sequence[Beat]],
    expected: Mapping[str, int],
    *,
    gaps: float = 0.3,
    stalls: float = 0.3,
    seed: int = 0,
    limit: int = 200_000,
    setup: Callable[[Any], None] | None = None,
) -> tuple[dict[str, list[list[int] | int]], int]:
    """Feed every input stream and collect `expected[name]` beats of every output stream.

    Returns the beats of each output and the number of cycles that it took. Fails when `limit` cycles pass.
    """
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    got: dict[str, list[list[int] | int]] = {name: [] for name in expected}
    cycles = [0]

    def feeder(name: str, beats: Sequence[Beat]) -> Callable[[Any], Any]:
        rng = random.Random(f"{seed}-{name}")
        port = getattr(unit, name)

        async def run(ctx: Any) -> None:
            for beat in beats:
                while rng.random() < gaps:
                    await ctx.tick()
                ctx.set(port.payload, beat)
                ctx.set(port.valid, 1)
                while True:
                    _, _, ready = await ctx.tick().sample(port.ready)
                    if ready:
                        break
                ctx.set(port.valid, 0)

        return run

    def reader(name: str, count: int) -> Callable[[Any], Any]:
        rng = random.Random(f"{seed}-{name}")
        port = getattr(unit, name)

        async def run(ctx: Any) -> None:
            while len(got[name]) < count:
                ctx.set(port.ready, int(rng.random() >= stalls))
                _, _, valid, ready, payload = await ctx.tick().sample(port.valid, port.ready, port.payload)
                if valid and ready:
                    got[name].append(list(payload) if hasattr(payload, "__len__") else payload)
            ctx.set(port.ready, 0)

        return run

    async def watch(ctx: Any) -> None:
        while any(len(got[name]) < count for name, count in expected.items()):
            await ctx.tick()
            cycles[0] += 1
            assert cycles[0] < limit, (
                f"stuck with { ({name: len(beats) for name, beats in got.items()}) } of {dict(expected)}"
            )

    for name, beats in inputs.items():
        simulator.add_testbench(feeder(name, beats), background=True)
    for name, count in expected.items():
        simulator.add_testbench(reader(name, count), background=True)
    simulator.add_testbench(watch)
    simulator.run()
    return got, cycles[0]
