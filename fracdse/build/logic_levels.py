"""The longest path of a mapped netlist, in LUT levels.

A level is one LUT, one carry chain however long, or one read of a LUT memory; wide multiplexers (MUXF7 to MUXF9) and
buffers are none. Paths begin and end at registers, block RAM, DSP slices, unknown cells and the netlist's own ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CARRY = ("CARRY4", "CARRY8")
_FREE = ("MUXF7", "MUXF8", "MUXF9", "IBUF", "OBUF", "BUFG", "BUFGCE")
_LUT_MEMORY = ("RAM16", "RAM32", "RAM64", "RAM128", "RAM256", "RAM512", "SRL")

Bit = int | str
Netlist = Mapping[str, Any]


@dataclass(frozen=True)
class _Arc:
    """A combinational way from one bit to another through `levels` levels."""

    source: Bit
    target: Bit
    levels: int


def logic_levels(netlist: Netlist) -> int:
    """Return the levels of the longest path of one flattened module.

    Args:
        netlist: A module of Yosys' `write_json`: `cells` with `type`, `port_directions` and `connections`. Ports of
            cells that are carry chains or LUT memory go by the names of Xilinx' primitives.

    Raises:
        ValueError: The logic has a loop.
    """
    following: dict[Bit, list[_Arc]] = {}
    waiting: dict[Bit, int] = {}
    for cell in netlist["cells"].values():
        for arc in _arcs(cell):
            following.setdefault(arc.source, []).append(arc)
            waiting[arc.target] = waiting.get(arc.target, 0) + 1
            waiting.setdefault(arc.source, 0)
    reached = dict.fromkeys(waiting, 0)
    ready = [bit for bit, arcs in waiting.items() if arcs == 0]
    done = 0
    while ready:
        bit = ready.pop()
        done += 1
        for arc in following.get(bit, ()):
            reached[arc.target] = max(reached[arc.target], reached[bit] + arc.levels)
            waiting[arc.target] -= 1
            if waiting[arc.target] == 0:
                ready.append(arc.target)
    if done != len(waiting):
        raise ValueError(f"the logic has a loop through {len(waiting) - done} nets")
    return max(reached.values(), default=0)


def _arcs(cell: Mapping[str, Any]) -> Iterator[_Arc]:
    """Yield the combinational ways through a cell; none where paths end at it."""
    kind: str = cell["type"]
    pins: Mapping[str, list[Bit]] = cell["connections"]
    outputs = [port for port, direction in cell["port_directions"].items() if direction == "output"]
    if kind in _CARRY:
        yield from _carry_arcs(pins)
    elif kind.startswith(_LUT_MEMORY):
        for output in outputs:
            yield from _between(pins, _address_ports(pins, output), output, 1)
    elif kind in _FREE or kind == "INV" or (kind.startswith("LUT") and kind[3:].isdigit()):
        inputs = [port for port, direction in cell["port_directions"].items() if direction == "input"]
        for output in outputs:
            yield from _between(pins, inputs, output, 0 if kind in _FREE else 1)


def _carry_arcs(pins: Mapping[str, list[Bit]]) -> Iterator[_Arc]:
    """Yield the ways through a piece of a carry chain: into the chain costs a level, along it nothing."""
    for output in ("O", "CO"):
        for position, target in enumerate(pins.get(output, ())):
            if isinstance(target, str):
                continue
            for entry in ("S", "DI"):
                for source in pins.get(entry, ())[: position + 1]:
                    if not isinstance(source, str):
                        yield _Arc(source, target, 1)
            for source in pins.get("CI", ()):
                if not isinstance(source, str):
                    yield _Arc(source, target, 0)


def _address_ports(pins: Mapping[str, list[Bit]], output: str) -> list[str]:
    """Return the ports whose value chooses what a LUT memory's output shows."""
    if output.startswith("DO") and f"ADDR{output[2:]}" in pins:
        return [f"ADDR{output[2:]}"]
    if output == "DPO":
        return [port for port in pins if port.startswith("DPR")]
    return [port for port in pins if port.startswith("A")]


def _between(pins: Mapping[str, list[Bit]], inputs: list[str], output: str, levels: int) -> Iterator[_Arc]:
    """Yield the ways from all bits of some inputs to all bits of an output; constants lead nowhere."""
    for target in pins.get(output, ()):
        for port in inputs:
            for source in pins.get(port, ()):
                if not isinstance(source, str) and not isinstance(target, str):
                    yield _Arc(source, target, levels)
