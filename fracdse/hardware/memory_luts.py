"""LUTs of small memories and of tables of constants, as synthesis maps them on UltraScale+."""

from __future__ import annotations

from fracdse.memories import lutram_luts, lutram_parts, stream_lutram_bits

_TABLE_SIZES = (1, 4, 8, 16)


def stream_luts(width: int, depth: int) -> int:
    """Return the LUTs of what a FIFO or line buffer holds in LUTRAM."""
    bits = stream_lutram_bits(width, depth)
    return lutram_luts(bits, depth) if bits else 0


def stream_choices(width: int, depth: int) -> int:
    """Return the LUTs that choose among the parts of a FIFO or line buffer that is deeper than one LUTRAM."""
    parts, _ = lutram_parts(depth)
    return stream_lutram_bits(width, depth) * choice_luts(parts)


def choice_luts(options: int) -> int:
    """Return the LUTs a bit of a choice among some words: one for four of them."""
    return -(-(options - 1) // 3)


def rom_luts(width: int, entries: int) -> int:
    """Return the LUTs of a table of random constants behind one index.

    Up to 64 entries a LUT an output bit, but never more than there are different functions of the index; beyond, four
    tables and a multiplexer a step of two bits.
    """
    if entries <= 1:
        return 0
    if entries <= 4:
        return min(width, (1 << entries) - 2 - entries)
    if entries <= 64:
        return width
    return width * -(-entries * 5 // (64 * 4))


def table_steps(name: str, width: float, entries: int) -> dict[str, float]:
    """Return the terms of a table of constants whose reader shares its LUTs: a bit more dear at each size.

    A comparator or an adder takes a small table into its own LUTs; how far it does that is left to the fit.
    """
    sizes = {f"{name}_over_{size}": width * (entries > size) for size in _TABLE_SIZES}
    return {**sizes, f"{name}_deep": width * max(0.0, entries / _TABLE_SIZES[-1] - 1)}


def uneven_bits(steps: int) -> int:
    """Return the bits of a counter of steps that has to wrap before its bits do; 0 where they do so together."""
    return steps.bit_length() if steps & (steps - 1) else 0


def power_of_two_at_least(value: int) -> int:
    """Return the smallest power of two that is not below a positive value."""
    return 1 << (value - 1).bit_length()
