"""The squeeze-and-interaction branch: three small fixed-point convolutions on multipliers."""

from __future__ import annotations

from fracdse.design import Interaction
from fracdse.hardware.terms import UnitTerms, bits_for


def si_terms(
    in_channels: int, out_channels: int, width: int, bits: int, interaction: Interaction, map_width: int
) -> UnitTerms:
    """Count the branch: one multiplier a squeezed channel in each of its three steps."""
    sums = 2 * bits + bits_for(max(in_channels, 9 * width))
    inner = 9 * width * (width if interaction == "full" else 1)
    return UnitTerms(
        "si",
        lut={
            "sum_bits": width * sums * 3,
            "line_luts": 2 * width * bits * -(-map_width // 32),
            "weights": inner,
            "one": 1,
        },
        ff={"sum_bits": width * sums * 3, "window_bits": 9 * width * bits, "one": 1},
        dsp=3 * width,
    )
