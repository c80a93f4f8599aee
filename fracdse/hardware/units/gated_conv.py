"""The gated convolution: window, taps, lanes with their weights, gates, scheduler and collector.

Mirrors fracdse.accelerator.gated_conv and what it is made of; sizes in bits, a tap being one input channel at one
position.
"""

from __future__ import annotations

from fracdse.folding import BLOCK_MEMORIES, Memory
from fracdse.hardware.compressor import (
    TreeCount,
    chain_sizes,
    constant_rows_count,
    fused_lane_count,
    stored_lane_count,
)
from fracdse.hardware.memory_luts import power_of_two_at_least, rom_luts, table_steps, uneven_bits
from fracdse.hardware.terms import UnitTerms
from fracdse.hardware.units.post import sum_width
from fracdse.memories import bram18, lutram_luts
from fracdse.mixed_weights import LogicBit, logic_bits

FUSED_STEPS = 8
UNROLLED_STEPS = 2
LARGEST_RELAXED_WIDTH = 16
_MANY_STEPS = 30
BALANCED_ROWS = 512
_CYCLES_AROUND_THE_TREE = 5


def border_bits(kernel: int, stride: int) -> int:
    """Return how many border flags a window has."""
    return 0 if kernel == 1 else 4 if stride == 1 else 2


def lag(taps: int, steps: int) -> int:
    """Return the pixels between a leading pass and its trailing pass."""
    latency = 5 if taps <= 512 else 6
    return max(1, -(-(latency + _CYCLES_AROUND_THE_TREE) // (steps + steps // 4 + 1)))


def pixel_slots(taps: int, steps: int) -> int:
    """Return how many pixels' sums may be on their way at once."""
    return lag(taps, steps) + 3


def trailing_slots(taps: int, steps: int) -> int:
    """Return how many pixels' trailing sums may be on their way at once."""
    return 2 if steps >= FUSED_STEPS else pixel_slots(taps, steps)


def is_unrolled(steps: int, memory: Memory) -> bool:
    """Tell whether a layer computes all its channels at once, with constant weights."""
    return memory == "logic" and steps <= UNROLLED_STEPS


def is_relaxed(width: int, stride: int, steps: int) -> bool:
    """Tell whether a window's two rows share a memory, which takes two cycles a pixel."""
    return width <= LARGEST_RELAXED_WIDTH and 2 * stride**2 <= steps + 1


def is_balanced(steps: int, borders: int, memory: Memory) -> bool:
    """Tell whether the weights in a block RAM are stored a border each, which leaves nothing to add to the sums."""
    rows = power_of_two_at_least(max(2, steps))
    return memory in BLOCK_MEMORIES and rows << borders <= BALANCED_ROWS


def lane_tree(taps: int, steps: int, borders: int, memory: Memory) -> TreeCount:
    """Count the adder tree of a lane that takes several steps a pixel."""
    count = fused_lane_count if memory == "logic" and steps <= FUSED_STEPS else stored_lane_count
    return count(taps, taps.bit_length() + 1, borders > 0 and not is_balanced(steps, borders, memory))


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
    column = (2 if kernel == 3 and stride == 2 else 1) * kernel * in_channels
    steps = out_channels // lanes
    relaxed = is_relaxed(width, stride, steps)
    lines = (2 * in_channels, 2 * power_of_two_at_least(width)) if relaxed else (4 * in_channels, width)
    window_lut = {
        "lines": lutram_luts(*lines) if kernel == 3 else 0,
        "column": column,
        "one": 1,
    }
    window_ff = {
        "taps": (5 if stride == 1 else 2) * column if kernel == 3 else in_channels,
        "column": 2 * column,
        "held": 2 * in_channels * 3 if kernel == 3 and stride == 2 else 0,
        "counters": width.bit_length() + height.bit_length(),
        "one": 1,
    }
    taps, borders = kernel * kernel * in_channels, border_bits(kernel, stride)
    if is_unrolled(out_channels // lanes, memory):
        engine = _unrolled(taps, out_channels, lanes, borders)
    else:
        moved = logic_bits(in_channels, borders, steps) if memory == "mixed" else ()
        engine = _folded(taps, out_channels, lanes, borders, memory, column, moved)
    return UnitTerms("gated_conv", {**window_lut, **engine.lut}, {**window_ff, **engine.ff}, engine.bram18)


def _unrolled(taps: int, channels: int, lanes: int, borders: int) -> UnitTerms:
    """Count the engine of constant weights."""
    sums = taps.bit_length() + 1
    tree = constant_rows_count(taps, channels, sums, borders > 0)
    return UnitTerms(
        "gated_conv",
        lut={
            "constant_tree": tree.luts,
            "constant_sums": channels * sums,
            "constant_borders": int(borders > 0),
        },
        ff={
            "constant_tree": tree.registers,
            "constant_sums": channels * sums,
            "output_bits": lanes * sum_width(taps, 0),
            "constant_borders": int(borders > 0),
        },
    )


def _folded(
    taps: int, channels: int, lanes: int, borders: int, memory: Memory, column: int, moved: tuple[LogicBit, ...]
) -> UnitTerms:
    """Count the engine whose lanes take several steps a pixel: scheduler, lanes, collector.

    `moved` are the bits of a lane's weights that left block RAM for logic.
    """
    steps, sums = channels // lanes, taps.bit_length() + 1
    step_bits, counts = max(1, (steps - 1).bit_length()), steps.bit_length()
    fused = memory == "logic" and steps <= FUSED_STEPS
    blocks = memory in BLOCK_MEMORIES
    stored = not fused and not blocks
    balanced = is_balanced(steps, borders, memory)
    offsets = borders > 0 and not balanced
    tree = lane_tree(taps, steps, borders, memory)
    slots = pixel_slots(taps, steps)
    queues = lutram_luts(lanes * (sums + 1), power_of_two_at_least(max(2, slots * steps)))
    queues += lanes * lutram_luts(sums, power_of_two_at_least(max(2, trailing_slots(taps, steps) * steps)))
    queues += lanes * lutram_luts(step_bits, power_of_two_at_least(max(2, (slots - 2) * steps)))
    queues += lutram_luts(lanes * counts, power_of_two_at_least(slots))
    sizes = chain_sizes(taps)
    words = steps << borders if balanced else steps
    # A lane of one step and one word knows its weights: products with them are wires.
    constant = not fused and (steps == 1 if stored else words == 1 or len(moved) == taps)
    return UnitTerms(
        "gated_conv",
        lut={
            "parities": sum(bits // 3 for bits in sizes) if fused else taps // 3,
            "tree": lanes * tree.luts if fused else 0,
            "stored_tree": lanes * tree.luts if stored and not constant else 0,
            "block_tree": lanes * tree.luts if blocks and not constant else 0,
            "constant_stored_tree": lanes * tree.luts if constant else 0,
            "adder_bits": lanes * tree.adder_bits,
            **table_steps("weights", lanes * taps if stored else 0, steps),
            "moved_weight_table": lanes * sum(bit.luts for bit in moved),
            "moved_weights": lanes * len(moved),
            "plane": column,
            "queues": queues,
            "sum_bits": lanes * sums,
            "thresholds": lanes * rom_luts(sums, steps),
            "offsets": lanes * rom_luts(sums, steps << borders) if offsets else 0,
            "step_bits": lanes * step_bits,
            "uneven_bits": uneven_bits(steps),
            "folded": 1,
        },
        ff={
            "tree": 0 if constant else lanes * tree.registers,
            "constant_stored_tree": lanes * tree.registers if constant else 0,
            "chain": sum(bits for level, bits in enumerate(sizes) if level and level % 3 == 0) if fused else 0,
            # Bits that are the same function of the step are one register.
            "weight_word": min(lanes * taps, 2 ** min(steps, _MANY_STEPS) - 2) if stored else 0,
            "moved_weights": lanes * len(moved),
            "lag": lag(taps, steps) * column,
            "sum_bits": lanes * sums,
            "step_bits": lanes * step_bits,
            "queue_bits": lanes * (slots * steps).bit_length(),
            "count_bits": lanes * counts,
            "latency": lanes * tree.latency,
            "folded": 1,
        },
        # One word is no memory.
        bram18=lanes * bram18(taps - len(moved), words) if blocks and words > 1 else 0,
    )
