"""The shortcut: 2×2 average where the layer is strided, quantiser where there is one, and the residual FIFO.

The FIFO is written in the order of the layer before and read in this layer's, from the memories of
`fracdse.hardware.reorder`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fracdse.hardware.memory_luts import (
    choice_luts,
    power_of_two_at_least,
    stream_choices,
    stream_luts,
    table_steps,
    uneven_bits,
)
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18, stream_lutram_bits

_PIPELINE_BEATS = 16
_PIXEL_SLACK = 4


def fifo_pixels(in_width: int, out_width: int, windowed: bool, stride: int, producer_steps: int, in_flight: int) -> int:
    """Return the pixels that the residual FIFO holds, a power of two."""
    window = out_width if stride > 1 else in_width + 2 if windowed else 0
    least = window + _PIXEL_SLACK + -(-_PIPELINE_BEATS // producer_steps)
    reserve = 1 + -(-in_flight // producer_steps) if in_flight else 0
    return power_of_two_at_least(least + reserve)


def shortcut_terms(
    in_channels: int,
    producer_lanes: int,
    lanes: int,
    banks: Sequence[int],
    in_width: int,
    out_width: int,
    kernel: int,
    stride: int,
    feature_bits: int,
    shortcut_bits: int,
    si: bool,
) -> UnitTerms:
    """Count the shortcut of one layer; `banks` are the producer lanes in each memory of its FIFO."""
    steps = in_channels // producer_lanes
    in_flight = (2 if stride == 2 else 0) + shortcut_bits
    pixels = fifo_pixels(in_width, out_width, kernel > 1 or si, stride, steps, in_flight)
    word = shortcut_bits or feature_bits
    depth = pixels * power_of_two_at_least(steps)
    memories = Counter((count * word, depth) for count in banks)
    pooled = producer_lanes * (feature_bits + 2) if stride == 2 else 0
    if pooled:
        memories[pooled, power_of_two_at_least(steps) * (in_width // 2)] += 1
    choices = max(1, sum(banks) // lanes)
    consumer_steps = max(1, in_channels // lanes)
    return UnitTerms(
        "shortcut",
        lut={
            "ram": sum(number * stream_luts(*size) for size, number in memories.items()),
            "ram_choices": sum(number * stream_choices(*size) for size, number in memories.items()),
            "read_choices": lanes * word * choice_luts(choices),
            "pooled_bits": pooled,
            "code_bits": producer_lanes * shortcut_bits * feature_bits,
            **_code_tables(producer_lanes * feature_bits, shortcut_bits, steps),
            "uneven_bits": uneven_bits(steps) + uneven_bits(consumer_steps),
            "one": 1,
        },
        ff={
            "address": 2 * depth.bit_length(),
            "pixel_bits": pixels.bit_length(),
            "ram_bits": sum(number * stream_lutram_bits(*size) for size, number in memories.items()),
            "pooled_bits": pooled,
            "columns": in_width.bit_length() * (stride == 2),
            "indices": (steps - 1).bit_length() * (stride == 2 or shortcut_bits > 0),
            "reads": (choices - 1).bit_length() * lanes,
            # The last comparison's word goes nowhere.
            "code_words": producer_lanes * max(0, shortcut_bits - 1) * feature_bits,
            "code_indices": shortcut_bits * (steps - 1).bit_length(),
            "one": 1,
        },
        bram18=sum(number * stream_bram18(*size) for size, number in memories.items()),
    )


def _code_tables(width: int, bits: int, steps: int) -> dict[str, float]:
    """Add up the tables of the quantiser's comparisons: a bit's has twice the entries of the bit before it."""
    total: dict[str, float] = {}
    for level in range(max(1, bits)):
        for name, count in table_steps("code", width if bits else 0, steps << level).items():
            total[name] = total.get(name, 0.0) + count
    return total
