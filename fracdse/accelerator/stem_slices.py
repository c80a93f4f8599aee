"""The stem's arithmetic over several cycles: a slice of the window's taps a cycle, added up over the slices.

Whatever the form of the whole stem, slices count matching levels: y = Σ over slices of 2·(matching products) −
(products inside the image). So the level decoders, the products and the adder tree shrink with the number of slices,
and weights lie deeper in fewer LUTs.
"""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import memory

from fracdse.accelerator.arithmetic import constant_table, signed_bits
from fracdse.accelerator.compressor_tree import compress
from fracdse.accelerator.pipeline import Pipeline
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.sliced_window import select
from fracdse.accelerator.stem_lanes import WINDOW_TAPS, Taps
from fracdse.accelerator.thermometer import is_level_on


def sliced_lanes(
    m: Module,
    pipe: Pipeline,
    enable: Value,
    weights: list[list[list[int]]],
    schedule: Schedule,
    taps: Taps,
    slices: int,
    index: Value,
) -> tuple[list[Value], int]:
    """Build the lanes; return y, complete after the last slice, and the register stages from that slice to y.

    Args:
        m: Module to build in.
        pipe: Stages to build with.
        enable: Clock enable of these stages.
        weights: As [channel][tap·colours + colour][level].
        schedule: Order of the channels.
        taps: Codes of the window, and the step.
        slices: 3 or 9: a row of taps a cycle, or a tap.
        index: The slice at work.
    """
    levels, colours, size = len(weights[0][0]), taps.colours, WINDOW_TAPS // slices
    codes = [
        select(index, [taps.codes[(each * size + tap) * colours + colour] for each in range(slices)])
        for tap in range(size)
        for colour in range(colours)
    ]
    outside = [select(index, [taps.outside[each * size + tap] for each in range(slices)]) for tap in range(size)]
    ones = pipe.register(Cat(is_level_on(code, level, levels) for code in codes for level in range(levels)))
    inside = pipe.register(~Cat(outside))
    first = pipe.register(index == 0)
    counters = Module()
    m.submodules.counters = EnableInserter(enable)(counters)
    mask = Cat(bit.replicate(levels * colours) for bit in inside)
    address = Cat(taps.step, index)
    counts, latency = [], 0
    for lane in range(schedule.lanes):
        words = _words(weights, schedule.lane_channels(lane), slices, size * colours, len(taps.step))
        pattern = _rom(m, f"weights{lane}", address, enable, words, len(ones))
        counted = compress(counters, [{0: [~(ones ^ pattern) & mask]}], len(ones).bit_length())
        counts.append(counted.value)
        latency = counted.latency
    products_inside = constant_table(m, inside, [bin(bits).count("1") * levels * colours for bits in range(1 << size)])
    for _ in range(latency):
        products_inside, first = pipe.registers(products_inside, first)
    first = pipe.register(first)
    products = WINDOW_TAPS * colours * levels
    sums: list[Value] = []
    for count in counts:
        part = pipe.register((count << 1) - products_inside, name="part")
        total = Signal(signed(signed_bits(-products, products)), name="total", reset_less=True)
        with m.If(enable):
            m.d.sync += total.eq(Mux(first, 0, total) + part)
        sums.append(total)
    return sums, 1 + latency + 2


def _words(
    weights: list[list[list[int]]], channels: tuple[int, ...], slices: int, codes: int, step_bits: int
) -> list[int]:
    """Return the words of one lane by address: the step in the lower bits, the slice above."""
    words = [0] * (slices << step_bits)
    for each in range(slices):
        for step, channel in enumerate(channels):
            bits = [weight for tap in weights[channel][each * codes : (each + 1) * codes] for weight in tap]
            words[each << step_bits | step] = sum(int(weight > 0) << place for place, weight in enumerate(bits))
    return words


def _rom(m: Module, name: str, address: Value, enable: Value, words: list[int], bits: int) -> Value:
    """Add a table in LUT logic whose word follows the address by one stage."""
    attributes = {"ram_style": "logic", "rom_style": "logic"}
    m.submodules[name] = rom = memory.Memory(shape=bits, depth=len(words), init=words, attrs=attributes)
    reading = rom.read_port()
    m.d.comb += [reading.addr.eq(address), reading.en.eq(enable)]
    return reading.data
