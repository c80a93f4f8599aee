"""The legal foldings of a layer and what each takes, alone and beside each folding of the layer before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from fracdse.folding import LayerFolding, Memory
from fracdse.gates import LayerGates
from fracdse.hardware.coefficients import Coefficients, coefficients_for
from fracdse.hardware.cycles import classifier_cycles, conv_cycles, stem_cycles
from fracdse.hardware.layers import FoldedSpec, Words, outputs, own_units, units_between
from fracdse.hardware.registry import Unit
from fracdse.topology import ClassifierSpec, StemSpec

RESOURCES = ("lut", "ff", "bram18", "dsp")
FloatArray = NDArray[np.float64]
_LARGEST_WEIGHT_ROM = 4096


@dataclass(frozen=True)
class LayerTable:
    """All foldings of one layer.

    `lanes` ascend; `memories` are the weight memories that may be chosen; `own` has shape (lanes, memories, 4) with
    the resources of the layer's own units, `between` (lanes of the layer before, lanes, 4) with those of the units
    between the two layers. The order of the four is `RESOURCES`.
    """

    lanes: tuple[int, ...]
    memories: tuple[Memory, ...]
    own: FloatArray
    between: FloatArray


def divisors(count: int) -> tuple[int, ...]:
    """Return the divisors of `count`, ascending."""
    return tuple(lanes for lanes in range(1, count + 1) if count % lanes == 0)


def nameless(spec: FoldedSpec) -> FoldedSpec:
    """Return the layer without its name, so that equal layers share one table."""
    return replace(spec, name="")


@lru_cache(maxsize=20_000)
def layer_table(spec: FoldedSpec, producer_channels: int, words: Words) -> LayerTable:
    """Return the table of a layer that `nameless` returned; `producer_channels` is 0 for the first layer."""
    coefficients = coefficients_for(words.family)
    lanes, memories = divisors(outputs(spec)), allowed_memories(spec, words)
    own = [
        [resources(own_units(spec, LayerFolding("", count, memory), words), coefficients) for memory in memories]
        for count in lanes
    ]
    before = [LayerFolding("", count, "logic") for count in divisors(producer_channels)] if producer_channels else []
    between = [
        [
            resources(
                units_between(spec, producer_channels, producer, LayerFolding("", count, memories[0]), words),
                coefficients,
            )
            for count in lanes
        ]
        for producer in before
    ]
    return LayerTable(lanes, memories, np.array(own), np.array(between).reshape(-1, len(lanes), len(RESOURCES)))


def allowed_memories(spec: FoldedSpec, words: Words) -> tuple[Memory, ...]:
    """Return the weight memories of a layer: the stem's weights are logic, the classifier's block RAM where large."""
    if isinstance(spec, StemSpec):
        return ("logic",)
    if isinstance(spec, ClassifierSpec):
        bits = spec.features * spec.classes * words.constant_bits
        return ("bram",) if bits > _LARGEST_WEIGHT_ROM else ("logic",)
    known: tuple[Memory, ...] = get_args(Memory)
    return tuple(memory for memory in known if words.weight_memory in ("auto", memory))


def resources(units: tuple[Unit, ...], coefficients: Coefficients) -> tuple[float, float, float, float]:
    """Return lut, ff, bram18 and dsp of some units together."""
    counted = [unit.terms for unit in units]
    return (
        sum(coefficients.predict(terms, "lut") for terms in counted),
        sum(coefficients.predict(terms, "ff") for terms in counted),
        float(sum(terms.bram18 for terms in counted)),
        float(sum(terms.dsp for terms in counted)),
    )


def option_cycles(spec: FoldedSpec, lanes: int, memory: Memory, gates: LayerGates | None) -> float:
    """Return the cycles a frame of a layer with so many lanes."""
    if isinstance(spec, StemSpec):
        return stem_cycles(spec, lanes)
    if isinstance(spec, ClassifierSpec):
        return classifier_cycles(spec, lanes)
    return conv_cycles(spec, lanes, memory, gates)


@lru_cache(maxsize=20_000)
def cycles_without_gates(spec: FoldedSpec, words: Words) -> FloatArray:
    """Return the cycles of every folding of a nameless layer with the prior of `fracdse.hardware.cycles`."""
    return layer_cycles(spec, words, None)


def layer_cycles(spec: FoldedSpec, words: Words, gates: LayerGates | None) -> FloatArray:
    """Return the cycles a frame of every folding of a layer, shape (lanes, memories).

    Raises:
        KeyError: The statistics lack a lane count.
    """
    memories = allowed_memories(spec, words)
    return np.array(
        [[option_cycles(spec, lanes, memory, gates) for memory in memories] for lanes in divisors(outputs(spec))]
    )
