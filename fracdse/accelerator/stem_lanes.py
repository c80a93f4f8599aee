"""The two forms of the stem's arithmetic: Σ w·level over the taps of a window, for one channel a lane and step.

Both take one code a tap (3·row + column) and colour, tap by tap, whether each tap is outside the image, and the step;
they return y of every lane and the number of register stages in between.

- table: one table a tap, colour and lane, addressed by code and step, then a compressor tree over the tables' bits.
- popcount: the levels themselves, XNOR with the weights, a compressor tree, minus half of what could match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, signed

from fracdse.accelerator.arithmetic import constant_table, signed_bits
from fracdse.accelerator.compressor_tree import Columns, Counted, compress
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.thermometer import is_level_on, level_sums
from fracdse.program.model import StemProgram
from fracdse.topology import has_full_flag

_LUT_INPUTS = 6
WINDOW_TAPS = 9


@dataclass(frozen=True)
class Taps:
    """What the lanes read: codes (tap by tap, colour by colour), `outside` (one bit a tap) and the step."""

    codes: Sequence[Value]
    outside: Sequence[Value]
    step: Value

    @property
    def colours(self) -> int:
        """Colours of a pixel."""
        return len(self.codes) // len(self.outside)


def weights_by_tap(program: StemProgram, colours: int) -> list[list[list[int]]]:
    """Return weights as [channel][tap·colours + colour][level]."""
    channels, inputs = program.weight.shape[:2]
    levels = inputs // colours
    ordered = program.weight.reshape(channels, colours, levels, 9).transpose(0, 3, 1, 2)
    result: list[list[list[int]]] = ordered.reshape(channels, 9 * colours, levels).tolist()
    return result


def table_lanes(
    m: Module, pipe: Pipeline, enable: Value, weights: list[list[list[int]]], schedule: Schedule, taps: Taps
) -> tuple[list[Value], int]:
    """Build the table form."""
    levels = len(weights[0][0])
    unit = 2 - levels % 2
    width = signed_bits(-len(taps.codes) * levels, len(taps.codes) * levels)
    counters = Module()
    m.submodules.counters = EnableInserter(enable)(counters)
    counted = []
    for lane in range(schedule.lanes):
        channels = schedule.lane_channels(lane)
        columns: Columns = {}
        bias = 0
        for position, code in enumerate(taps.codes):
            entries = [value // unit for channel in channels for value in level_sums(weights[channel][position])[0]]
            index = Cat(code[:-1] if has_full_flag(levels) else code, taps.step)
            rows = 1 << (len(index) - len(taps.step))
            part, lift = _table_part(m, enable, index, _padded(entries, rows, len(channels)), taps, position)
            _append(columns, part)
            bias += lift
        for part, lift in _full_parts(m, pipe, unit, weights, channels, taps) if has_full_flag(levels) else []:
            _append(columns, part)
            bias += lift
        counted.append(compress(counters, [columns], width, constant=-bias, register_inputs=False))
    latency = max(count.latency for count in counted)
    return [_late(m, pipe, count, unit, latency) for count in counted], 1 + latency


def _late(m: Module, pipe: Pipeline, count: Counted, unit: int, latency: int) -> Value:
    """Return a lane's y, as late as the lane with the deepest tree."""
    y = Signal(signed(len(count.value) + unit - 1), name="y")
    m.d.comb += y.eq(count.value.as_signed() * unit)
    late: Value = y
    for _ in range(latency - count.latency):
        late = pipe.register(late, name="y")
    return late


def _table_part(
    m: Module, enable: Value, index: Value, entries: list[int], taps: Taps, position: int
) -> tuple[Value, int]:
    """Register one table's value, lifted so that it is never negative, or the lift outside; return both."""
    lift = max(0, -min(entries))
    value = constant_table(m, index, [entry + lift for entry in entries], name="level_sum")
    part = Signal(max(len(value), lift.bit_length()), name="part", reset_less=True)
    with m.If(enable):
        m.d.sync += part.eq(value)
        with m.If(taps.outside[position // taps.colours]):
            m.d.sync += part.eq(lift)
    return part, lift


def _full_parts(
    m: Module, pipe: Pipeline, unit: int, weights: list[list[list[int]]], channels: Sequence[int], taps: Taps
) -> list[tuple[Value, int]]:
    """Register what the flags 'full' add, as many of them in a table as leave it one LUT a bit."""
    group = max(1, _LUT_INPUTS - (len(taps.step) if len(channels) > 1 else 0))
    parts = []
    for start in range(0, len(taps.codes), group):
        positions = range(start, min(start + group, len(taps.codes)))
        flags = Cat(taps.codes[position][-1] for position in positions)
        entries = [
            sum((pattern >> i & 1) * level_sums(weights[channel][p])[1] // unit for i, p in enumerate(positions))
            for channel in channels
            for pattern in range(1 << len(positions))
        ]
        lift = max(0, -min(entries))
        value = constant_table(m, Cat(flags, taps.step), [entry + lift for entry in entries], name="full_sum")
        parts.append((pipe.register(value, name="full_part"), lift))
    return parts


def _padded(entries: list[int], rows: int, steps: int) -> list[int]:
    """Return the entries with each step's filled up to `rows`; codes that do not occur give 0."""
    each = len(entries) // steps
    return [
        value for step in range(steps) for value in [*entries[step * each : (step + 1) * each], *([0] * (rows - each))]
    ]


def _append(columns: Columns, value: Value) -> None:
    for bit in range(len(value)):
        columns.setdefault(bit, []).append(value[bit])


def popcount_lanes(
    m: Module, pipe: Pipeline, enable: Value, weights: list[list[list[int]]], schedule: Schedule, taps: Taps
) -> tuple[list[Value], int]:
    """Build the popcount form: y = 2·(matching products) − (products inside the image)."""
    levels = len(weights[0][0])
    products = len(taps.codes) * levels
    ones = pipe.register(Cat(is_level_on(code, level, levels) for code in taps.codes for level in range(levels)))
    inside = pipe.register(~Cat(taps.outside))
    step = pipe.register(taps.step)
    mask = Cat(bit.replicate(levels * taps.colours) for bit in inside)
    count_inside = pipe.register(sum(inside[1:], start=inside[0]))
    counters = Module()
    m.submodules.counters = EnableInserter(enable)(counters)
    counts = []
    latency = 0
    for lane in range(schedule.lanes):
        patterns = [
            sum(int(weight > 0) << i for i, weight in enumerate(w for tap in weights[channel] for w in tap))
            for channel in schedule.lane_channels(lane)
        ]
        pattern = constant_table(counters, step, patterns, name="weights")
        matches = ~(ones ^ pattern)[:products] & mask
        counted = compress(counters, [{0: [matches]}], products.bit_length())
        counts.append(counted.value)
        latency = counted.latency
    for _ in range(latency - 1):
        count_inside = pipe.register(count_inside)
    each = taps.colours * levels
    products_inside = constant_table(m, count_inside, [number * each for number in range(WINDOW_TAPS + 1)])
    sums: list[Value] = []
    for count in counts:
        y = Signal(signed(signed_bits(-products, products)), name="y")
        m.d.comb += y.eq((count << 1) - products_inside)
        sums.append(pipe.register(y))
    return sums, 1 + latency + 1
