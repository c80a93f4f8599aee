"""Comparison with a constant in plain logic: a few LUTs, where an adder would take one for every bit."""

from __future__ import annotations

from amaranth.hdl import Const, Value


def at_least(value: Value, constant: int) -> Value:
    """Return whether a value, read as a signed number, is at least a constant of any size."""
    half = 1 << (len(value) - 1)
    if constant <= -half:
        return Const(1, 1)
    if constant >= half:
        return Const(0, 1)
    offset_binary = constant + half
    result: Value = Const(1, 1)
    for position in range(len(value)):
        bit = ~value[position] if position == len(value) - 1 else value[position]
        result = bit & result if offset_binary >> position & 1 else bit | result
    return result
