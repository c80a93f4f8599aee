"""Random gated convolutions, the contract computed plainly, and a bench that runs frames through the unit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from numpy.typing import NDArray

from fracdse.accelerator.gated_conv import GatedConv
from fracdse.accelerator.schedule import Schedule
from fracdse.folding import LayerFolding
from fracdse.program.model import GatedConvProgram
from fracdse.topology import GatedConvSpec

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A layer to test."""

    spec: GatedConvSpec
    program: GatedConvProgram
    folding: LayerFolding
    producer: Schedule

    @property
    def order(self) -> list[int]:
        return list(self.folding.channel_order) or list(range(self.spec.out_channels))


def case(
    channels: tuple[int, int],
    size: tuple[int, int],
    lanes: int,
    memory: Any = "logic",
    *,
    kernel: int = 3,
    stride: int = 1,
    clip_bits: int = 0,
    threshold: int | None = None,
    shuffled: bool = True,
    seed: int = 0,
    slices: int = 1,
    producer_lanes: int = 1,
) -> Case:
    rng = np.random.default_rng(seed)
    inputs, outputs = channels
    spec = GatedConvSpec(
        "conv", inputs, outputs, *size, kernel, stride, 0, None, False, False, True, clip_bits, 0
    )  # fmt: skip
    spread = int(spec.fan_in**0.5)
    gate_threshold = rng.integers(-spread, spread + 1, outputs) if threshold is None else np.full(outputs, threshold)
    program = GatedConvProgram(
        name="conv",
        weight=rng.choice(np.array([-1, 1], dtype=np.int8), (outputs, inputs, kernel, kernel)),
        activation_thresholds=np.zeros((inputs, 3), dtype=np.int64),
        descending=np.zeros(inputs, dtype=bool),
        gate_threshold=gate_threshold,
        clip_bits=clip_bits,
        split=np.zeros(outputs, dtype=np.int64),
        multiplier=np.zeros((2, outputs), dtype=np.int64),
        offset=np.zeros((2, outputs), dtype=np.int64),
        shift=0,
        stride=stride,
    )
    order = tuple(int(channel) for channel in rng.permutation(outputs)) if shuffled else ()
    producer = Schedule(producer_lanes, tuple(int(channel) for channel in rng.permutation(inputs)))
    return Case(spec, program, LayerFolding("conv", lanes, memory, order, slices), producer)


def images(tested: Case, count: int, seed: int = 1) -> list[Codes]:
    spec = tested.spec
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 4, (spec.in_channels, spec.in_height, spec.in_width)) for _ in range(count)]


def contract(tested: Case, codes: Codes) -> tuple[Codes, Codes]:
    """Return y and the gates, (channel, row, column), by the equations of fracdse.program.model."""
    leading, trailing = (_convolve(tested, 2 * plane - 1) for plane in (codes >> 1, codes & 1))
    gate = leading >= tested.program.gate_threshold[:, None, None]
    y = 2 * leading + gate * trailing
    if tested.program.clip_bits:
        limit = 1 << (tested.program.clip_bits - 1)
        y = np.clip(y, -limit, limit - 1)
    return y, gate


def _convolve(tested: Case, signs: Codes) -> Codes:
    spec = tested.spec
    pad = spec.kernel // 2
    padded = np.pad(signs, ((0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((spec.out_channels, spec.out_height, spec.out_width), dtype=np.int64)
    for ky in range(spec.kernel):
        for kx in range(spec.kernel):
            rows = slice(ky, ky + spec.stride * spec.out_height, spec.stride)
            columns = slice(kx, kx + spec.stride * spec.out_width, spec.stride)
            out += np.tensordot(tested.program.weight[:, :, ky, kx].astype(np.int64), padded[:, rows, columns], 1)
    return out


def expected_beats(tested: Case, frames: Sequence[Codes]) -> tuple[list[list[int]], list[int]]:
    """Return the beats of y in the order of the schedule, and the open gates of every pixel."""
    beats, gates = [], []
    for frame in frames:
        y, gate = contract(tested, frame)
        pixels = y[tested.order].reshape(len(tested.order), -1).T
        beats += [[int(v) for v in beat] for beat in pixels.reshape(-1, tested.folding.lanes)]
        gates += [int(count) for count in gate.sum(axis=0).reshape(-1)]
    return beats, gates


@dataclass
class Run:
    """What came out of the unit."""

    beats: list[list[int]] = field(default_factory=list)
    gates: list[int] = field(default_factory=list)
    beat_cycles: list[int] = field(default_factory=list)


def run(
    tested: Case,
    frames: Sequence[Codes],
    *,
    gaps: float = 0.0,
    stalls: float = 0.0,
    seed: int = 1,
    frame_pause: int = 0,
    pixels_before_reset: int = 0,
    patience: int = 3000,
) -> Run:
    """Send frames and collect every beat until nothing has come for `patience` cycles or all has.

    With `pixels_before_reset`, so many pixels are sent and the unit is reset before everything starts.
    """
    unit = GatedConv(tested.spec, tested.program, tested.folding, tested.producer)
    order = list(range(unit.codes)) if unit.codes_arriving == tested.spec.in_channels else list(tested.producer.order)
    wanted = len(frames) * tested.spec.out_height * tested.spec.out_width
    beats = wanted * (tested.spec.out_channels // tested.folding.lanes)
    result = Run()
    rng_in, rng_out = random.Random(seed), random.Random(seed + 1)
    reset_now = Signal()
    waiting = [pixels_before_reset > 0]

    async def send(ctx: Any, frame: Codes, limit: int | None = None) -> None:
        beats = frame.reshape(frame.shape[0], -1).T[:limit, order].reshape(-1, unit.codes)
        for beat in beats:
            while rng_in.random() < gaps:
                await ctx.tick()
            ctx.set(unit.activations.payload, [int(code) for code in beat])
            ctx.set(unit.activations.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(unit.activations.ready)
            ctx.set(unit.activations.valid, 0)

    async def source(ctx: Any) -> None:
        if waiting[0]:
            await send(ctx, frames[0], pixels_before_reset)
            ctx.set(reset_now, 1)
            await ctx.tick()
            ctx.set(reset_now, 0)
            await ctx.tick()
            waiting[0] = False
        for frame in frames:
            await send(ctx, frame)
            for _ in range(frame_pause):
                await ctx.tick()

    async def sink(ctx: Any) -> None:
        idle, cycle = 0, 0
        one_by_one = tested.folding.slices > 1
        while (len(result.beats) < beats or (len(result.gates) < wanted and not one_by_one)) and idle < patience:
            ready = int(rng_out.random() >= stalls)
            ctx.set(unit.sums.ready, ready)
            ports = (unit.sums.valid, unit.sums.payload, unit.open_gates_valid, unit.open_gates)
            _, _, valid, payload, counted, count = await ctx.tick().sample(*ports)
            idle, cycle = idle + 1, cycle + 1
            if waiting[0]:
                continue
            if counted:
                result.gates.append(count)
            if valid and ready:
                result.beats.append(list(payload))
                result.beat_cycles.append(cycle)
                idle = 0

    simulator = Simulator(ResetInserter(reset_now)(unit))
    simulator.add_clock(1e-6)
    simulator.add_testbench(source, background=True)
    simulator.add_testbench(sink)
    simulator.run()
    return result
