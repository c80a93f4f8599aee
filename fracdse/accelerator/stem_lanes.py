"""The two forms of the stem's arithmetic: Σ w·level over the taps of a window, for one output channel a lane and step.

Both take one code a tap (3·row + column) and colour, tap by tap, and the step; they return y of every lane and the
number of register stages in between.

- table: one table a tap, colour and lane, addressed by code and step; then a tree of adders, a register after every
  level.
- popcount: the levels themselves (i < code), XNOR with the weights, a compressor tree, minus half of what could match.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, signed

from fracdse.accelerator.arithmetic import constant_table, signed_bits
from fracdse.accelerator.compressor_tree import compress
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.thermometer import level_sums
from fracdse.program.model import StemProgram


def weights_by_tap(program: StemProgram, colours: int) -> list[list[list[int]]]:
    """Return weights as [channel][tap·colours + colour][level]."""
    channels, inputs = program.weight.shape[:2]
    levels = inputs // colours
    ordered = program.weight.reshape(channels, colours, levels, 9).transpose(0, 3, 1, 2)
    result: list[list[list[int]]] = ordered.reshape(channels, 9 * colours, levels).tolist()
    return result


def table_lanes(
    m: Module, pipe: Pipeline, weights: list[list[list[int]]], schedule: Schedule, codes: Sequence[Value], step: Value
) -> tuple[list[Value], int]:
    """Build the table form."""
    sums = []
    stages = 0
    for lane in range(schedule.lanes):
        parts: list[Value] = []
        for position, code in enumerate(codes):
            entries = [s for channel in schedule.lane_channels(lane) for s in level_sums(weights[channel][position])]
            parts.append(pipe.register(constant_table(m, Cat(code, step), entries, name="level_sum")))
        stages = 1
        while len(parts) > 1:
            pairs = [parts[i] + parts[i + 1] for i in range(0, len(parts) - 1, 2)]
            parts = [pipe.register(value, name="partial") for value in [*pairs, *parts[2 * len(pairs) :]]]
            stages += 1
        sums.append(parts[0])
    return sums, stages


def popcount_lanes(
    m: Module,
    pipe: Pipeline,
    enable: Value,
    weights: list[list[list[int]]],
    schedule: Schedule,
    codes: Sequence[Value],
    step: Value,
) -> tuple[list[Value], int]:
    """Build the popcount form: y = 2·(matching products) − (products inside the image)."""
    levels = len(weights[0][0])
    colours = len(codes) // 9
    inside = [~code.all() for code in codes]
    ones, present = pipe.register(_levels(codes, levels)), pipe.register(Cat(inside))
    taps_inside = pipe.register(_count(list(present[::colours])))
    step = pipe.register(step)
    products = len(codes) * levels
    mask = Cat(bit.replicate(levels) for bit in present)
    counters = Module()
    m.submodules.counters = EnableInserter(enable)(counters)
    sums: list[Value] = []
    latency = 0
    for lane in range(schedule.lanes):
        patterns = [
            sum(int(weight > 0) << i for i, weight in enumerate(w for tap in weights[channel] for w in tap))
            for channel in schedule.lane_channels(lane)
        ]
        pattern = constant_table(counters, step, patterns, name="weights")
        matches = ~(ones ^ pattern)[:products] & mask
        counted = compress(counters, [{0: [matches]}], products.bit_length())
        sums.append(counted.value)
        latency = counted.latency
    for _ in range(latency - 1):
        taps_inside = pipe.register(taps_inside)
    width = signed_bits(-products, products)
    results = []
    for count in sums:
        y = Signal(signed(width), name="y")
        m.d.comb += y.eq((count << 1) - taps_inside * (colours * levels))
        results.append(pipe.register(y))
    return results, 1 + latency + 1


def _levels(codes: Sequence[Value], levels: int) -> Value:
    """Return all levels as bits: 1 where the level is +1."""
    return Cat(code > level for code in codes for level in range(levels))


def _count(bits: list[Value]) -> Value:
    total = bits[0]
    for bit in bits[1:]:
        total = total + bit
    return total
