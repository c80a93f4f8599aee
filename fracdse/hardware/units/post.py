"""Post: side of the split, one multiply-add an element, residual addition, saturation."""

from __future__ import annotations

from fracdse.hardware.memory_luts import rom_luts, table_steps
from fracdse.hardware.multipliers import product_dsps
from fracdse.hardware.terms import UnitTerms
from fracdse.program.fixed_point import LINKED_BITS

# Codes of two bits are thirds, which the scales of a layer take up; finer ones need a product.
_SHIFTED_SHORTCUT_BITS = 2
_NARROW_WORD_BITS = 14


def sum_width(fan_in: int, clip_bits: int) -> int:
    """Return the bits of y: |y| ≤ 3·fan-in, or `clip_bits` where the layer clips to fewer."""
    full = (3 * fan_in).bit_length() + 1
    return min(full, clip_bits) if clip_bits else full


def post_terms(
    channels: int,
    lanes: int,
    sum_bits: int,
    feature_bits: int,
    constant_bits: int,
    shortcut_bits: int,
    power_of_two: bool,
    elastic_link: bool,
    si_bits: int,
    rescaled: bool,
) -> UnitTerms:
    """Count the post unit of one layer; `si_bits` is the width of the SI branch's output, 0 without one.

    A DSP slice holds its operands' registers, the product's and the sum's, and the adder behind the product: in logic
    remain the tables, the sum of offset and residual, and the saturation.
    """
    steps = channels // lanes
    shortcut = shortcut_bits or feature_bits
    # Where scales are powers of two all products are shifts, but for the codes of a shortcut of more than two bits.
    multiplied = int(not power_of_two)
    link, coded = int(elastic_link), int(shortcut_bits > 0)
    y_bits = LINKED_BITS if elastic_link else sum_bits
    scaled = int(power_of_two and shortcut_bits > _SHIFTED_SHORTCUT_BITS)
    # Words of few bits often have to change their scale: the residual is shifted then, by how much training decides.
    narrow = int(feature_bits <= _NARROW_WORD_BITS and not coded)
    # What multiplies, what multiplies twice and what shifts differ in how words, sums and links go through them.
    form = "shifted" if power_of_two else "linked" if elastic_link else "multiplied"
    words, sums, links = lanes * feature_bits, lanes * sum_bits, link * lanes * (shortcut + y_bits)
    lut = {
        f"{form}_word_bits": words,
        f"{form}_sum_bits": sums,
        f"{form}_link_bits": links,
        f"{form}_split_table": lanes * rom_luts(y_bits, steps),
        f"{form}_one": 1,
        "narrow_words": narrow * words,
        "si_bits": lanes * si_bits,
        **table_steps("constants", words, steps),
        "link_table": link * lanes * rom_luts(shortcut + 2 * constant_bits, steps),
    }
    ff = {
        "word_bits": words,
        "narrow_words": narrow * words,
        "coded_words": coded * words,
        "sum_bits": sums,
        "si_bits": lanes * si_bits,
        "link_bits": links,
        "lanes": lanes,
        "one": 1,
        "shortcut_bits": lanes * shortcut,
        "single_step_words": words * (steps == 1),
        "index_bits": steps.bit_length(),
    }
    return UnitTerms(
        "post",
        lut={name: float(count) for name, count in lut.items()},
        ff={f"{form}_{name}": float(count) for name, count in ff.items()},
        dsp=lanes
        * (
            multiplied * product_dsps(y_bits, constant_bits)
            # A single constant is added up from shifts.
            + int(steps > 1) * (multiplied + scaled) * link * product_dsps(shortcut, constant_bits)
            + int(steps > 1) * scaled
        ),
    )
