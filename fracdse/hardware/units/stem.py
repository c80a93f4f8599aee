"""The first layer: thermometer levels from pixels, as a table or as XNOR and popcount."""

from __future__ import annotations

from fracdse.design import InputLayer
from fracdse.hardware.terms import UnitTerms, bits_for
from fracdse.hardware.units.gated_conv import tree_luts


def stem_terms(colours: int, levels: int, channels: int, lanes: int, form: InputLayer) -> UnitTerms:
    """Count the lanes of the stem; a table needs, a tap and colour, one LUT an output bit per 64 entries."""
    depth = channels // lanes
    taps = 9 * colours
    address = bits_for(levels) + (bits_for(depth - 1) if depth > 1 else 0)
    value = bits_for(levels) + 1
    sums = bits_for(taps * levels) + 1
    table = lanes * taps * value * max(1.0, 2.0 ** (address - 6)) if form == "table" else 0.0
    tree = lanes * tree_luts(taps * levels) if form == "popcount" else 0.0
    adders = lanes * (taps - 1) * (value + 2) if form == "table" else 0.0
    return UnitTerms(
        "stem",
        lut={"table_luts": table, "tree_luts": tree, "adder_bits": adders, "sum_bits": lanes * sums, "one": 1},
        ff={"sum_bits": lanes * sums, "tap_bits": lanes * taps * value, "one": 1},
        dsp=lanes,
    )
