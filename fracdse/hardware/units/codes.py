"""The queue of codes in front of a strided convolution, which works in bursts."""

from __future__ import annotations

from fracdse.hardware.memory_luts import power_of_two_at_least, stream_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18, stream_lutram_bits


def code_pixels(in_width: int, kernel: int, stride: int, si: bool, slices: int) -> int:
    """Return the depth that a layer's queue needs, 0 for no queue; as fracdse.accelerator.shortcut.code_pixels."""
    if stride > 1:
        return in_width if slices == 1 else 0
    return in_width + 22 if kernel == 1 and si else 0


def codes_terms(channels: int, pixels: int) -> UnitTerms:
    """Count a queue of at least `pixels` pixels of two-bit codes."""
    width, depth = 2 * channels, power_of_two_at_least(max(2, pixels))
    return UnitTerms(
        "codes",
        lut={"ram": stream_luts(width, depth), "address": depth.bit_length(), "one": 1},
        ff={"ram_bits": stream_lutram_bits(width, depth), "address": depth.bit_length(), "one": 1},
        bram18=stream_bram18(width, depth),
    )
