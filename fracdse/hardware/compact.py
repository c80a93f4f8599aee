"""The compact architecture: its units, counted from their structure.

Block RAM and DSP slices follow the generator's own rules. What no design says before its network is trained is how wide
some constants are; `usual_fields` states what lowering gave for the released FracBNN network, and `widest_fields` what
it gave at most for random ones. LUTs and flip-flops are terms of each unit, for the coefficients of
hw_models/compact/coefficients-xcup.json (`benchmarks/compact_model.py` fits them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fracdse.compact_constants import ConstantShape, constant_shape
from fracdse.compact_plan import KERNEL, LANES, MAP_PART_WORDS, SLOTS, CompactPlan, compact_plan
from fracdse.data_files import data_folder
from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.hardware.coefficients import Coefficients, coefficients_for, read_coefficients
from fracdse.hardware.memory_luts import choice_luts
from fracdse.hardware.terms import UnitTerms
from fracdse.hardware.units.classifier import classifier_terms
from fracdse.memories import bram18, lutram_luts, lutram_parts
from fracdse.program.fixed_point import pooled_bits

# Bits of gate and residual step as lowering gave them for the released network; those of an offset beyond a word's.
_GATE_BITS, _RESIDUAL_BITS, _OFFSET_BITS = 2, 3, 5
_WIDEST_GATE, _WIDEST_MORE = 6, 2
_FAMILY = "xcup"


@dataclass(frozen=True)
class ConstantFields:
    """Bits of a channel's constants behind a sum, and of its thresholds."""

    post_bits: int
    threshold_bits: int


def usual_fields(plan: CompactPlan, design: Design) -> ConstantFields:
    """Return the widths that lowering usually gives: symmetric thresholds, few different gates."""
    words, constants = design.accelerator.feature_bits, design.accelerator.constant_bits
    fan_in = KERNEL * KERNEL * max(layer.inputs for layer in plan.layers[1:])
    split = 3 + round(fan_in.bit_length() / 2)
    lines = 2 * (constants + words + _OFFSET_BITS)
    return ConstantFields(_GATE_BITS + split + _RESIDUAL_BITS + lines, words - 2)


def widest_fields(plan: CompactPlan, design: Design) -> ConstantFields:
    """Return the widths where gates, and multipliers of different layers, differ much.

    Thresholds of a power-of-two network need not be symmetric: all three are stored.
    """
    usual, words = usual_fields(plan, design), design.accelerator.feature_bits
    thresholds = 3 * words if design.network.power_of_two else words - 1
    return ConstantFields(usual.post_bits + _WIDEST_GATE - _GATE_BITS + 2 * _WIDEST_MORE, thresholds)


def compact_constants(plan: CompactPlan, fields: ConstantFields) -> ConstantShape:
    """Return the shape of the constants' memory."""
    posts = sum(layer.words for layer in plan.layers)
    codes = sum(layer.in_words for layer in plan.layers)
    return constant_shape(fields.post_bits, posts, fields.threshold_bits, codes)


def weight_blocks(plan: CompactPlan) -> int:
    """Return the block RAM of the weights: a memory word a lane and block of a row, in order."""
    words = LANES * sum(layer.words * layer.groups for layer in plan.layers)
    return bram18(plan.taps, words)


def network_plan(design: Design) -> CompactPlan:
    """Return `compact_plan(design)`, cached for all designs of the same network.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    return _plan(design.image, design.network)


@lru_cache(maxsize=20_000)
def _plan(image: ImageFormat, network: NetworkChoices) -> CompactPlan:
    return compact_plan(Design(image=image, network=network))


def compact_units(design: Design, fields: ConstantFields | None = None) -> tuple[UnitTerms, ...]:
    """Count all units of a design's compact accelerator; `fields` where the network's constants are known.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    plan, bits = network_plan(design), design.accelerator.feature_bits
    constants = design.accelerator.constant_bits
    known = fields or usual_fields(plan, design)
    shape = compact_constants(plan, known)
    wide = f"group{plan.group}"
    address, layers = (plan.bank_words - 1).bit_length(), len(plan.layers)
    halves = SLOTS * SLOTS * (plan.group // LANES)
    parts = lutram_parts(plan.store_depth)[0]
    sums = LANES * plan.sum_bits
    word, pool_bits = LANES * bits, LANES * (bits + (plan.pixels - 1).bit_length() + 1)
    strided = word * any(layer.stride == 2 for layer in plan.layers)
    threshold_bits = LANES * known.threshold_bits
    stem = plan.layers[0]
    map_parts = -(-plan.bank_words // MAP_PART_WORDS)
    pixel_bits = (stem.in_rows * stem.in_columns - 1).bit_length()
    classifier = classifier_terms(
        plan.features, plan.classes, 1, LANES, pooled_bits(bits), constants, "logic", use_dsp=True
    )
    return (
        UnitTerms(
            "sequencer",
            lut={"address": address, "layers": layers, "one": 1},
            ff={"address": address, "layers": layers, "one": 1},
        ),
        UnitTerms(
            "input",
            lut={"levels": plan.levels, "colours": plan.colours, "pixel_bits": pixel_bits, "one": 1},
            ff={"colours": plan.colours, "pixel_bits": pixel_bits, "one": 1},
        ),
        UnitTerms(
            "codes",
            lut={
                "ram": halves * lutram_luts(LANES, plan.store_depth),
                "choice": halves * LANES * choice_luts(parts),
                "ring": SLOTS * SLOTS * plan.index_bits,
                wide: 1,
            },
            ff={wide: 1},
        ),
        UnitTerms("weight_loader", lut={wide: 1, "one": 1}, ff={wide: 1}, bram18=weight_blocks(plan)),
        UnitTerms(
            "lanes",
            lut={"ram": lutram_luts(sums, plan.partial_sums), "sum_bits": sums, wide: 1},
            ff={"sum_bits": sums, wide: 1},
        ),
        UnitTerms(
            "constant_store",
            lut={"address": (shape.depth - 1).bit_length(), "one": 1},
            ff={
                "loaded_bits": (shape.post_words + shape.code_words) * shape.width,
                "post_bits": LANES * known.post_bits,
                "address": (shape.depth - 1).bit_length(),
                "one": 1,
            },
            bram18=shape.blocks,
        ),
        UnitTerms(
            "post_unit",
            lut={"word_bits": word, "constant_bits": LANES * constants, "sum_bits": sums, "address": address, "one": 1},
            ff={"word_bits": word, "constant_bits": LANES * constants, "sum_bits": sums, "address": address, "one": 1},
            dsp=LANES,
        ),
        UnitTerms(
            "map",
            lut={
                "ram": 2 * word * _map_luts(plan),
                "choice": 2 * word * choice_luts(map_parts),
                "uneven": word * (map_parts if map_parts & (map_parts - 1) else 0),
                "word_bits": word,
                "one": 1,
            },
            ff={"word_bits": word},
        ),
        UnitTerms(
            "writer",
            lut={"word_bits": word, "pooled_bits": strided, "address": address, "layers": layers, "one": 1},
            ff={"threshold_bits": threshold_bits, "word_bits": strided, "address": address, "layers": layers, "one": 1},
        ),
        UnitTerms(
            "pool",
            lut={"sum_bits": pool_bits, "ram": lutram_luts(pool_bits, max(2, plan.features // LANES)), "one": 1},
            ff={"pooled_bits": LANES * pooled_bits(bits), "one": 1},
        ),
        classifier,
        UnitTerms("control", lut={"layers": layers, "one": 1}, ff={"layers": layers, "one": 1}),
        UnitTerms("top", lut={wide: 1}, ff={"one": 1}),
    )  # fmt: skip


def _map_luts(plan: CompactPlan) -> int:
    """Return the LUTs that hold a bit of a bank of the feature map."""
    whole, rest = divmod(plan.bank_words, MAP_PART_WORDS)
    last = 0 if rest == 0 else 1 if rest <= 64 else 2 if rest <= 128 else 4
    return 4 * whole + last


@lru_cache(maxsize=1)
def compact_coefficients() -> Coefficients:
    """Return the coefficients of hw_models/compact/coefficients-xcup.json, which serve all families.

    Raises:
        ConfigError: The file is not what it should be.
    """
    return read_coefficients(data_folder("hw_models") / "compact" / "coefficients-xcup.json")


@dataclass(frozen=True)
class CompactResources:
    """What a compact accelerator takes."""

    lut: float
    ff: float
    bram18: int
    dsp: int


def compact_resources(
    design: Design, fields: ConstantFields | None = None, coefficients: Coefficients | None = None
) -> CompactResources:
    """Add up the units of a design.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    own, shared = coefficients or compact_coefficients(), coefficients_for(_FAMILY)
    units = compact_units(design, fields)
    by_unit = [(unit, own if unit.unit in own.lut else shared) for unit in units]
    return CompactResources(
        lut=sum(of.predict(unit, "lut") for unit, of in by_unit),
        ff=sum(of.predict(unit, "ff") for unit, of in by_unit),
        bram18=sum(unit.bram18 for unit in units),
        dsp=sum(unit.dsp for unit in units),
    )
