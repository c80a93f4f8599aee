"""The gated convolution of one lane that takes several cycles for a fan-in: rows in LUT memory, a lane of one slice.

Mirrors fracdse.accelerator.sliced_engine and sliced_window.
"""

from __future__ import annotations

from functools import lru_cache

from fracdse.folding import BLOCK_MEMORIES, Memory
from fracdse.folding import SLICED_KERNEL as KERNEL
from fracdse.hardware.compressor import TreeCount, compressor_count
from fracdse.hardware.memory_luts import power_of_two_at_least, rom_luts, uneven_bits
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import bram18, lutram_luts

_IN_FLIGHT = 16
_CYCLES_AROUND_THE_TREE = 6


@lru_cache(maxsize=10_000)
def slice_tree(size: int) -> TreeCount:
    """Count the tree behind a slice of three rows of `size` channels, counted in threes."""
    triples, rest = divmod(size, 3)
    columns = {0: KERNEL * (triples + rest), 1: KERNEL * triples}
    return compressor_count([columns], (KERNEL * size).bit_length(), register_inputs=False)


def cycles_to_a_gate(in_channels: int, slices: int) -> int:
    """Return the cycles from the last slice of a pixel's last channel to the next pixel's first."""
    return slice_tree(KERNEL * in_channels // slices).latency + _CYCLES_AROUND_THE_TREE


def sliced_conv_terms(
    in_channels: int, out_channels: int, stride: int, width: int, height: int, slices: int, memory: Memory
) -> UnitTerms:
    """Count the sliced convolution of one layer on a height×width input."""
    groups = slices // KERNEL
    size = in_channels // groups
    taps, steps = KERNEL * size, power_of_two_at_least(max(2, out_channels))
    sums = (KERNEL * KERNEL * in_channels).bit_length() + 1
    depth = 2 * power_of_two_at_least(max(2, width)) * power_of_two_at_least(groups)
    weights = KERNEL * power_of_two_at_least(groups) * steps
    tree = slice_tree(size)
    step_bits = steps.bit_length() - 1
    positions = width.bit_length() + height.bit_length()
    queues = lutram_luts(sums + 1, _IN_FLIGHT) + lutram_luts(sums, _IN_FLIGHT) + lutram_luts(step_bits, _IN_FLIGHT)
    return UnitTerms(
        "sliced_conv",
        lut={
            "rows": lutram_luts(taps, depth),
            "word": size,
            "products": KERNEL * (2 * (size // 3) + size % 3),
            "tree": tree.luts + tree.adder_bits,
            "weight_table": 0 if memory in BLOCK_MEMORIES else rom_luts(taps, weights),
            "thresholds": rom_luts(sums, out_channels),
            "queues": queues,
            "sum_bits": sums,
            "step_bits": step_bits,
            "positions": positions,
            "stride_1": int(stride == 1),
            "uneven_bits": uneven_bits(out_channels),
            "one": 1,
        },
        ff={
            "word": 2 * size,
            "taps": taps,
            "products": KERNEL * (2 * (size // 3) + size % 3),
            "tree": tree.registers,
            "weight_table": 0 if memory in BLOCK_MEMORIES else taps,
            "sum_bits": sums,
            "step_bits": step_bits,
            "positions": positions,
            "latency": tree.latency,
            "one": 1,
        },
        bram18=bram18(taps, weights) if memory in BLOCK_MEMORIES else 0,
    )
