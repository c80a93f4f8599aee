"""The squeeze-and-interaction branch: two 1×1 convolutions and a 3×3 one between them, on multipliers, and two FIFOs.

Squeeze takes a multiplier a producer lane and squeezed channel, expand one a lane and squeezed channel, interaction as
many taps a cycle as keep up with the layer. Products of fewer than `NARROWEST_DSP_PRODUCT` bits are left to LUTs by
synthesis.
"""

from __future__ import annotations

from fracdse.design import Interaction
from fracdse.hardware.memory_luts import choice_luts, rom_luts, table_steps
from fracdse.hardware.multipliers import product_dsps
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import stream_bram18

NARROWEST_DSP_PRODUCT = 9
_INPUT_MULTIPLIER_BITS = 18


def si_terms(
    in_channels: int,
    producer_lanes: int,
    lanes: int,
    steps: int,
    width: int,
    bits: int,
    constant_bits: int,
    feature_bits: int,
    interaction: Interaction,
    map_width: int,
) -> UnitTerms:
    """Count the branch beside one layer."""
    taps = -(-9 // min(steps, 9))
    scaled = feature_bits + _INPUT_MULTIPLIER_BITS
    inner = taps * width * (width if interaction == "full" else 1)
    sums = 2 * bits + 6
    rounds, producer_steps = -(-9 // taps), in_channels // producer_lanes
    narrow = 2 * bits < NARROWEST_DSP_PRODUCT
    # Products with a single constant are additions.
    inner_dsp = 0 if narrow or rounds == 1 else inner
    squeeze_dsp = 0 if narrow or producer_steps == 1 else producer_lanes * width
    expand_dsp = 0 if steps == 1 else lanes * width * product_dsps(bits, constant_bits)
    input_dsp = 0 if producer_steps == 1 else producer_lanes * product_dsps(feature_bits, _INPUT_MULTIPLIER_BITS)
    squeezes = producer_lanes * width
    return UnitTerms(
        "si",
        lut={
            **table_steps("inputs", producer_lanes * (scaled + width * bits), producer_steps),
            **table_steps("expands", lanes * ((width + 1) * constant_bits + bits), steps),
            "inner_tables": inner * rom_luts(bits, rounds),
            "tap_choices": taps * width * bits * choice_luts(rounds),
            "lut_products": narrow * (inner * (rounds > 1) + squeezes * (producer_steps > 1)) * bits * bits,
            "inner_products": inner * (rounds == 1) * bits * bits,
            "squeeze_products": squeezes * (producer_steps == 1) * bits * bits,
            "expand_products": lanes * width * bits * constant_bits * (steps == 1),
            "input_products": producer_lanes * feature_bits * _INPUT_MULTIPLIER_BITS * (producer_steps == 1),
            "window_bits": width * bits,
            "one": 1,
        },
        ff={
            "window_bits": 9 * width * bits,
            "sum_bits": (lanes + 2 * width) * sums,
            # A DSP slice holds its operands' registers and the product's.
            "inner_products": 2 * bits * inner * (rounds == 1),
            "squeeze_products": 2 * bits * squeezes * (producer_steps == 1),
            "expand_products": (bits + constant_bits) * lanes * width * (steps == 1),
            "input_products": producer_lanes * scaled * (producer_steps == 1),
            "narrow_products": narrow * 2 * bits * (inner * (rounds > 1) + squeezes * (producer_steps > 1)),
            "one": 1,
        },
        bram18=stream_bram18(2 * width * bits, map_width),
        dsp=inner_dsp + squeeze_dsp + expand_dsp + input_dsp,
    )
