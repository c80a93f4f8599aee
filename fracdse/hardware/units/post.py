"""Post: side of the split, one multiply-add an element, residual addition, saturation."""

from __future__ import annotations

from fracdse.hardware.memory_luts import rom_luts, table_steps
from fracdse.hardware.multipliers import product_dsps
from fracdse.hardware.terms import UnitTerms
from fracdse.program.fixed_point import LINKED_BITS

# Codes of two bits are thirds, which the scales of a layer take up; finer ones need a product.
_SHIFTED_SHORTCUT_BITS = 2


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
    remain the tables, the sum of offset and residual, and the saturation. `rescaled` layers bring their residual to
    another scale first: a stage of registers and a choice of shifts.
    """
    steps = channels // lanes
    shortcut = shortcut_bits or feature_bits
    # Where scales are powers of two all products are shifts, but for the codes of a shortcut of more than two bits.
    multiplied = int(not power_of_two)
    link = int(elastic_link)
    y_bits = LINKED_BITS if elastic_link else sum_bits
    scaled = int(power_of_two and shortcut_bits > _SHIFTED_SHORTCUT_BITS)
    words, sums, codes = lanes * feature_bits, lanes * y_bits, lanes * shortcut_bits
    plain, coded, moved = int(not shortcut_bits), int(shortcut_bits > 0), int(rescaled)
    # A lane of one step shifts by wires, and multiplies by additions.
    index, single, shifted = (steps - 1).bit_length(), int(steps == 1), int(power_of_two and steps > 1)
    # One step, what multiplies, what multiplies twice and what shifts differ in how words and sums go through them.
    form = "single" if single else "shifted" if shifted else "linked" if elastic_link else "multiplied"
    lut = {
        f"{form}_words": plain * words,
        f"{form}_coded_words": coded * words,
        f"{form}_sums": lanes * sum_bits,
        f"{form}_split_table": lanes * rom_luts(y_bits, steps),
        "single_shifted_words": single * (1 - multiplied) * words,
        "single_scaled_words": single * scaled * words,
        "single_link_products": single * link * multiplied * lanes * constant_bits,
        "shift_choices": shifted * words * index,
        "multiplier_table": multiplied * lanes * rom_luts(constant_bits, 2 * steps),
        **table_steps("offsets", words, 2 * steps),
        "rescaled_words": (1 - single) * plain * moved * words,
        "scaled_words": (1 - single) * scaled * words,
        "si_bits": lanes * si_bits,
        "shifted_link_words": shifted * link * lanes * shortcut,
        "link_table": link * lanes * rom_luts(shortcut + 2 * constant_bits, steps),
        "one": 1,
    }
    ff = {
        "residual_words": plain * words * (1 - link),
        "codes": codes * (1 - link),
        "index": index,
        "lanes": lanes,
        "one": 1,
        "rescaled_words": plain * moved * words,
        "rescaled_sums": moved * sums,
        "rescaled_si": moved * lanes * si_bits,
        "rescaled_index": moved * index,
        "rescaled_lanes": moved * lanes,
        "shifted_words": shifted * words,
        "shifted_sums": shifted * sums,
        "shifted_index": shifted * index,
        "scaled_words": scaled * words,
        "single_products": single * multiplied * lanes * (y_bits + constant_bits),
        "single_words": single * multiplied * words,
        "link_sums": link * lanes * (sum_bits + y_bits),
        "link_words": link * lanes * shortcut,
        "link_si": link * lanes * si_bits,
        "link_index": link * index,
    }
    return UnitTerms(
        "post",
        lut={name: float(count) for name, count in lut.items()},
        ff={name: float(count) for name, count in ff.items()},
        dsp=lanes
        * (
            multiplied * product_dsps(y_bits, constant_bits)
            # A single constant is added up from shifts.
            + int(steps > 1) * (multiplied + scaled) * link * product_dsps(shortcut, constant_bits)
            + int(steps > 1) * scaled
        ),
    )
