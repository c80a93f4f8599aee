from __future__ import annotations

from typing import Any

import pytest

from fracdse.build.logic_levels import logic_levels


def cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "port_directions": directions, "connections": inputs | outputs}


def netlist(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": {str(i): entry for i, entry in enumerate(cells)}}


def lut(source: Any, target: Any) -> dict[str, Any]:
    return cell("LUT1", {"I0": [source]}, {"O": [target]})


def test_an_empty_netlist_has_no_levels() -> None:
    assert logic_levels(netlist()) == 0


def test_registers_end_a_path() -> None:
    register = cell("FDRE", {"D": [4], "C": [1], "CE": ["1"], "R": ["0"]}, {"Q": [5]})
    assert logic_levels(netlist(lut(2, 3), lut(3, 4), register, lut(5, 6))) == 2


def test_a_carry_chain_is_one_level_however_long() -> None:
    first = cell(
        "CARRY4", {"S": [2, 3, 4, 5], "DI": [12, 13, 14, 15], "CI": ["0"]}, {"O": [6, 7, 8, 9], "CO": [20, 21, 22, 23]}
    )
    second = cell(
        "CARRY4",
        {"S": [24, "0", "0", "0"], "DI": ["0"] * 4, "CI": [23]},
        {"O": [30, 31, 32, 33], "CO": [34, 35, 36, 37]},
    )
    assert logic_levels(netlist(lut(1, 2), first, second, lut(30, 40))) == 3


def test_a_bit_of_a_carry_chain_depends_on_lower_bits_only() -> None:
    chain = cell(
        "CARRY4", {"S": [2, 3, 4, 5], "DI": ["0"] * 4, "CI": ["0"]}, {"O": [6, 7, 8, 9], "CO": [20, 21, 22, 23]}
    )
    assert logic_levels(netlist(lut(1, 10), lut(10, 5), chain, lut(6, 40))) == 3
    assert logic_levels(netlist(lut(1, 10), lut(10, 5), chain, lut(9, 40))) == 4


def test_wide_multiplexers_are_free_and_memory_reads_are_not() -> None:
    wide = cell("MUXF7", {"I0": [3], "I1": [2], "S": [1]}, {"O": [4]})
    memory = cell("RAM32M16", {"ADDRA": [4, "0"], "ADDRH": [99], "DIA": [98]}, {"DOA": [7, 8]})
    assert logic_levels(netlist(lut(2, 3), wide, memory)) == 2
    assert logic_levels(netlist(lut(2, 98), lut(98, 99), memory)) == 2


def test_a_loop_is_refused() -> None:
    with pytest.raises(ValueError, match="loop"):
        logic_levels(netlist(lut(2, 3), lut(3, 2)))
