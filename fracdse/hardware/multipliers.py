"""DSP slices of a product."""

from __future__ import annotations

LONG_OPERAND, SHORT_OPERAND = 27, 18
# A wider operand is cut into pieces: the last of at most 18 bits with its sign, the others of 17 bits without.
_PIECE = 17


def product_dsps(left_bits: int, right_bits: int) -> int:
    """Return the DSP48E2 of a signed product: one multiplies 27 by 18 bits (UG579), wider ones take more."""
    long, short = max(left_bits, right_bits), min(left_bits, right_bits)
    return (1 if long <= LONG_OPERAND else _pieces(long)) * _pieces(short)


def _pieces(bits: int) -> int:
    return 1 + max(0, -(-(bits - SHORT_OPERAND) // _PIECE))
