"""The gated convolution: window, taps, lanes with their weights, gates, scheduler and collector.

Mirrors fracdse.accelerator.gated_conv and what it is made of; sizes in bits, a tap being one input channel at one
position.
"""

from __future__ import annotations

from fracdse.folding import Memory
from fracdse.hardware.compressor import chain_sizes, fused_lane_count, stored_lane_count
from fracdse.hardware.memory_luts import power_of_two_at_least, ram_luts, rom_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import bram18

FUSED_STEPS = 8
BALANCED_ROWS = 512
_CYCLES_AROUND_THE_TREE = 5


def border_bits(kernel: int, stride: int) -> int:
    """Return how many border flags a window has."""
    return 0 if kernel == 1 else 4 if stride == 1 else 2


def lag(taps: int, steps: int) -> int:
    """Return the pixels between a leading pass and its trailing pass."""
    latency = 6 if taps <= 512 else 7
    return max(1, -(-(latency + _CYCLES_AROUND_THE_TREE) // (steps + steps // 4 + 1)))


def gated_conv_terms(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int,
    width: int,
    height: int,
    lanes: int,
    memory: Memory,
) -> UnitTerms:
    """Count the gated convolution of one layer on a height×width input."""
    steps, taps = out_channels // lanes, kernel * kernel * in_channels
    step_bits = max(1, (steps - 1).bit_length())
    column = (2 if kernel == 3 and stride == 2 else 1) * kernel * in_channels
    borders = border_bits(kernel, stride)
    sums = taps.bit_length() + 1
    fused = memory == "logic" and steps <= FUSED_STEPS
    tree = fused_lane_count(taps, sums) if fused else stored_lane_count(taps, sums)
    slots = lag(taps, steps) + 3
    trailing_slots = 2 if steps >= FUSED_STEPS else slots
    counts = steps.bit_length()
    queues = ram_luts(lanes * (sums + 1), power_of_two_at_least(max(2, slots * steps)))
    queues += lanes * ram_luts(sums, power_of_two_at_least(max(2, trailing_slots * steps)))
    queues += lanes * ram_luts(step_bits, power_of_two_at_least(max(2, slots * steps)))
    queues += ram_luts(lanes * counts, power_of_two_at_least(slots))
    rows = power_of_two_at_least(max(2, steps))
    balanced = memory == "bram" and rows << borders <= BALANCED_ROWS
    depth = rows << borders if balanced else rows
    parities = sum(bits // 3 for bits in chain_sizes(taps))
    registered = sum(bits for level, bits in enumerate(chain_sizes(taps)) if level and level % 3 == 0)
    return UnitTerms(
        "gated_conv",
        lut={
            "parities": parities,
            "tree": lanes * tree.luts if fused else 0,
            "stored_tree": 0 if fused else lanes * tree.luts,
            "adder_bits": lanes * tree.adder_bits,
            "weight_table": 0 if fused or memory == "bram" else lanes * rom_luts(taps, steps),
            "lines": ram_luts(4 * in_channels, width) if kernel == 3 else 0,
            "column": column,
            "queues": queues,
            "sum_bits": lanes * sums,
            "thresholds": lanes * rom_luts(sums, steps),
            "offsets": 0 if balanced else lanes * rom_luts(sums, steps << borders),
            "step_bits": lanes * step_bits,
            "one": 1,
        },
        ff={
            "tree": lanes * tree.registers,
            "chain": registered,
            "taps": (5 if stride == 1 else 2) * column if kernel == 3 else taps,
            "column": 2 * column,
            "lag": lag(taps, steps) * column,
            "sum_bits": lanes * sums,
            "counters": lanes * (counts + 2 * (slots * steps).bit_length() + step_bits),
            "latency": lanes * tree.latency,
            "one": 1,
        },
        bram18=lanes * bram18(taps, depth) if memory == "bram" else 0,
    )
