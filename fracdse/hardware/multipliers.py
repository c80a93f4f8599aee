"""DSP slices of a product."""

from __future__ import annotations

LONG_OPERAND, SHORT_OPERAND = 27, 18


def product_dsps(left_bits: int, right_bits: int) -> int:
    """Return the DSP48E2 of a signed product: one multiplies 27 by 18 bits (UG579), wider ones take more."""
    long, short = max(left_bits, right_bits), min(left_bits, right_bits)
    if short <= SHORT_OPERAND:
        return -(-long // LONG_OPERAND)
    return min(
        -(-long // LONG_OPERAND) * -(-short // SHORT_OPERAND), -(-long // SHORT_OPERAND) * -(-short // LONG_OPERAND)
    )
