from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from fracdse.accelerator.window import Window
from fracdse.accelerator.window_types import WindowGeometry

CHANNELS = 2


def expected_columns(geometry: WindowGeometry, frame: np.ndarray[Any, Any]) -> list[dict[str, int]]:
    """Return the beats of a frame (channel, row, column), slices of the padded image."""
    size, step = geometry.kernel, geometry.stride
    pad = size // 2
    padded = np.pad(frame, ((0, 0), (pad, pad), (pad, pad)))
    beats = []
    for row in range(0, geometry.height, step):
        if size == 3 and step == 1:
            starts = range(1, geometry.width + 2)
        elif size == 3:
            starts = range(1, geometry.width, 2)
        else:
            starts = range(0, geometry.width, step)
        for start in starts:
            bits = padded[:, row : row + size, start : start + geometry.columns].transpose(2, 1, 0).reshape(-1)
            planes = {
                name: int("".join(str(b) for b in (bits >> shift & 1)[::-1]), 2)
                for name, shift in (("lsb", 0), ("msb", 1))
            }
            first, last = start == starts[0], start == starts[-1]
            border = 0
            if size == 3 and step == 1:
                border = (row == 0) | (start == 2) << 1 | (row == geometry.height - 1) << 2 | last << 3
            elif size == 3:
                border = (row == 0) | first << 1
            always = size == 1
            compute = size == 1 or step == 2 or not first
            beats.append(
                planes
                | {
                    "compute": int(compute),
                    "row_start": int(first or always),
                    "row_end": int(last or always),
                    "border": border,
                }
            )
    return beats


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("frame_pause", [0, 40])
@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [(3, 1, (4, 5)), (3, 1, (1, 1)), (3, 1, (3, 4)), (3, 2, (4, 6)), (3, 2, (2, 2)), (1, 1, (2, 3)), (1, 2, (4, 4))],
)
def test_columns_of_three_frames(
    kernel: int, stride: int, size: tuple[int, int], frame_pause: int, relaxed: bool
) -> None:
    geometry = WindowGeometry(CHANNELS, *size, kernel, stride)
    rng, rng_out = random.Random(1), random.Random(2)
    frames = [np.random.default_rng(i).integers(0, 4, (CHANNELS, *size)) for i in range(3)]
    expected = [beat for frame in frames for beat in expected_columns(geometry, frame)]
    assert len(expected) == 3 * geometry.beats
    window = Window(geometry, relaxed=relaxed)
    got: list[dict[str, int]] = []

    async def source(ctx: Any) -> None:
        for frame in frames:
            for pixel in frame.reshape(CHANNELS, -1).T:
                while rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(window.activations.payload, [int(code) for code in pixel])
                ctx.set(window.activations.valid, 1)
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(window.activations.ready)
                ctx.set(window.activations.valid, 0)
            for _ in range(frame_pause):
                await ctx.tick()

    async def sink(ctx: Any) -> None:
        idle = 0
        while len(got) < len(expected) and idle < 300:
            ready = int(rng_out.random() < 0.7)
            ctx.set(window.columns.ready, ready)
            _, _, valid, beat = await ctx.tick().sample(window.columns.valid, window.columns.payload)
            idle += 1
            if valid and ready:
                got.append({name: int(beat[name]) for name in expected[0]})
                idle = 0

    simulator = Simulator(window)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source, background=True)
    simulator.add_testbench(sink)
    simulator.run()
    assert got == expected
