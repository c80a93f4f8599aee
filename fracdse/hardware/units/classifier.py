"""The linear classifier: a multiply-accumulate a lane and cycle; two frames of features are held."""

from __future__ import annotations

from fracdse.folding import Memory
from fracdse.hardware.memory_luts import choice_luts, power_of_two_at_least, rom_luts, stream_luts, table_steps
from fracdse.hardware.multipliers import product_dsps
from fracdse.hardware.terms import UnitTerms
from fracdse.memories import bram18, stream_bram18, stream_lutram_bits
from fracdse.program.fixed_point import LOGIT_BITS, classifier_weight_bits


def classifier_terms(
    features: int,
    classes: int,
    lanes: int,
    producer_lanes: int,
    pooled_bits: int,
    constant_bits: int,
    memory: Memory,
    use_dsp: bool = True,
) -> UnitTerms:
    """Count the classifier; without DSP slices a product is as many additions as its weight has bits, less one."""
    groups = classes // lanes
    words = groups * features
    weight_bits = classifier_weight_bits(features, pooled_bits, constant_bits)
    blocks = memory == "bram"
    feature_memory = (producer_lanes * pooled_bits, 2 * power_of_two_at_least(features // producer_lanes))
    return UnitTerms(
        "classifier",
        lut={
            "sent_bits": lanes * LOGIT_BITS * (lanes > 1),
            "features": stream_luts(*feature_memory),
            "chosen_bits": pooled_bits * choice_luts(producer_lanes),
            **table_steps("weights", 0 if blocks else lanes * weight_bits, words),
            "biases": lanes * rom_luts(LOGIT_BITS, groups),
            "lane_bits": lanes * LOGIT_BITS,
            "shifted_bits": 0 if use_dsp else lanes * weight_bits * (pooled_bits + 2),
            "address": words.bit_length(),
            "one": 1,
        },
        ff={
            "lane_bits": lanes * LOGIT_BITS,
            "table_bits": 0 if blocks else lanes * weight_bits,
            "feature_bits": stream_lutram_bits(*feature_memory),
            "chosen_bits": pooled_bits * (producer_lanes > 1),
            "shifted_bits": 0 if use_dsp else lanes * weight_bits * (pooled_bits + 2),
            "address": words.bit_length(),
            "groups": groups.bit_length(),
            "one": 1,
        },
        bram18=(bram18(lanes * weight_bits, words) if blocks else 0) + stream_bram18(*feature_memory),
        dsp=lanes * product_dsps(pooled_bits, weight_bits) if use_dsp else 0,
    )
