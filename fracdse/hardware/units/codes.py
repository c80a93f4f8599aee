"""The queue of codes in front of a convolution, which works in bursts; mirrors fracdse.accelerator.code_queue."""

from __future__ import annotations

from fracdse.hardware.memory_luts import power_of_two_at_least, stream_choices, stream_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18, stream_lutram_bits


def codes_terms(channels: int, pixels: int, arriving: int = 0) -> UnitTerms:
    """Count a queue of at least `pixels` beats of `channels` two-bit codes, put together of `arriving` unless 0."""
    width, depth = 2 * channels, power_of_two_at_least(max(2, pixels))
    gathered = width if arriving else 0
    counted = (channels // arriving).bit_length() if arriving else 0
    address = depth.bit_length()
    return UnitTerms(
        "codes",
        lut={
            "ram": stream_luts(width, depth),
            "ram_choices": stream_choices(width, depth),
            "address": address,
            "counted": counted,
            "gathers": int(arriving > 0),
            "one": 1,
        },
        ff={
            "ram_bits": stream_lutram_bits(width, depth),
            "gathered": gathered,
            "address": address,
            "counted": counted,
            "gathers": int(arriving > 0),
            "one": 1,
        },
        bram18=stream_bram18(width, depth),
    )
