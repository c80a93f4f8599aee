"""A layer's options by rising cycles, with running bests: what the folding solver looks up instead of searching."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fracdse.gates import LayerGates
from fracdse.hardware.layers import FoldedSpec, Words
from fracdse.hardware.options import LayerOption, layer_options, option_cycles
from fracdse.memories import LUTS_PER_BRAM18

Preference = Literal["area", "lut"]
Resources = tuple[float, float, float, float]


@dataclass(frozen=True)
class Table:
    """A layer's options by rising cycles, with running bests: entry i is over the options 0…i."""

    options: tuple[LayerOption, ...]
    cycles: tuple[float, ...]
    least: tuple[Resources, ...]
    best: Mapping[Preference, tuple[int, ...]]

    def allowed(self, limit: float) -> int:
        """Return how many options take at most `limit` cycles."""
        return bisect_right(self.cycles, limit)


def _area(option: LayerOption) -> tuple[float, ...]:
    return (option.lut + LUTS_PER_BRAM18 * option.bram18, option.lut, option.ff, option.dsp)


def _lut(option: LayerOption) -> tuple[float, ...]:
    return (option.lut, option.bram18, option.ff, option.dsp)


KEYS: dict[Preference, Callable[[LayerOption], tuple[float, ...]]] = {"area": _area, "lut": _lut}


def _build(options: tuple[LayerOption, ...], cycles: list[float]) -> Table:
    order = sorted(range(len(options)), key=lambda index: cycles[index])
    ranked = tuple(options[index] for index in order)
    least: list[Resources] = []
    bests: dict[Preference, list[int]] = {"area": [], "lut": []}
    for index, option in enumerate(ranked):
        previous = least[-1] if least else option.resources
        least.append(tuple(map(min, previous, option.resources)))  # type: ignore[arg-type]
        for name, key in KEYS.items():
            best = bests[name][-1] if bests[name] else index
            bests[name].append(index if key(option) < key(ranked[best]) else best)
    return Table(
        ranked,
        tuple(cycles[index] for index in order),
        tuple(least),
        {name: tuple(found) for name, found in bests.items()},
    )


@lru_cache(maxsize=20_000)
def table_without_gates(spec: FoldedSpec, words: Words) -> Table:
    """Return the table of a nameless layer with the prior of `fracdse.hardware.cycles`."""
    options = layer_options(spec, words)
    return _build(options, [option_cycles(spec, option.lanes, None) for option in options])


def table_with_gates(spec: FoldedSpec, words: Words, gates: LayerGates) -> Table:
    """Return the table of a nameless layer with the gates of a trained network."""
    options = layer_options(spec, words)
    return _build(options, [option_cycles(spec, option.lanes, gates) for option in options])
