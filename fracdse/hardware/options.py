"""The legal foldings of one layer and what each takes: the table that the folding solver chooses from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import get_args

from fracdse.folding import LayerFolding, Memory
from fracdse.gates import LayerGates
from fracdse.hardware.coefficients import Coefficients, coefficients_for
from fracdse.hardware.cycles import classifier_cycles, conv_cycles, stem_cycles
from fracdse.hardware.layers import FoldedSpec, Words, layer_units
from fracdse.memories import stream_memory
from fracdse.topology import ClassifierSpec, StemSpec

RESOURCES = ("lut", "ff", "bram18", "dsp")


@dataclass(frozen=True)
class LayerOption:
    """One way to fold a layer, with what all of the layer's units take then."""

    lanes: int
    memory: Memory
    lut: float
    ff: float
    bram18: int
    dsp: int

    @property
    def resources(self) -> tuple[float, float, float, float]:
        """Return lut, ff, bram18 and dsp."""
        return (self.lut, self.ff, self.bram18, self.dsp)


def divisors(count: int) -> tuple[int, ...]:
    """Return the divisors of `count`, ascending."""
    return tuple(lanes for lanes in range(1, count + 1) if count % lanes == 0)


def nameless(spec: FoldedSpec) -> FoldedSpec:
    """Return the layer without its name, so that equal layers share one table."""
    return replace(spec, name="")


@lru_cache(maxsize=20_000)
def layer_options(spec: FoldedSpec, words: Words) -> tuple[LayerOption, ...]:
    """Return every legal folding of a layer that `nameless` returned, with its resources."""
    coefficients = coefficients_for(words.family)
    return tuple(
        _option(spec, lanes, memory, words, coefficients)
        for lanes in divisors(_outputs(spec))
        for memory in _memories(spec, lanes, words)
    )


def _outputs(spec: FoldedSpec) -> int:
    return spec.classes if isinstance(spec, ClassifierSpec) else spec.out_channels


def _memories(spec: FoldedSpec, lanes: int, words: Words) -> tuple[Memory, ...]:
    if isinstance(spec, StemSpec):
        return ("logic",)
    if isinstance(spec, ClassifierSpec):
        return (stream_memory(words.constant_bits, spec.features * (spec.classes // lanes)),)
    allowed: tuple[Memory, ...] = get_args(Memory)
    return tuple(memory for memory in allowed if words.weight_memory in ("auto", memory))


def _option(spec: FoldedSpec, lanes: int, memory: Memory, words: Words, coefficients: Coefficients) -> LayerOption:
    units = layer_units(spec, LayerFolding(spec.name, lanes, memory), words)
    return LayerOption(
        lanes,
        memory,
        sum(coefficients.predict(unit, "lut") for unit in units),
        sum(coefficients.predict(unit, "ff") for unit in units),
        sum(unit.bram18 for unit in units),
        sum(unit.dsp for unit in units),
    )


def option_cycles(spec: FoldedSpec, lanes: int, gates: LayerGates | None) -> float:
    """Return the cycles a frame of a layer with so many lanes."""
    if isinstance(spec, StemSpec):
        return stem_cycles(spec, lanes)
    if isinstance(spec, ClassifierSpec):
        return classifier_cycles(spec, lanes)
    return conv_cycles(spec, lanes, gates)
