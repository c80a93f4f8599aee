"""The legal foldings of a layer and what each takes, alone and beside each folding of the layer before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fracdse.folding import STEM_SLICES, LayerFolding, Memory, legal_slices
from fracdse.gates import LayerGates
from fracdse.hardware.coefficients import Coefficients, coefficients_for
from fracdse.hardware.cycles import classifier_cycles, conv_cycles, stem_cycles
from fracdse.hardware.layers import FoldedSpec, Words, outputs, own_units, units_between
from fracdse.hardware.registry import Unit, unit_terms
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec

RESOURCES = ("lut", "ff", "bram18", "dsp")
FloatArray = NDArray[np.float64]
Choice = tuple[int, int]
_LARGEST_WEIGHT_ROM = 4096


@dataclass(frozen=True)
class LayerTable:
    """All foldings of one layer.

    `choices` are lanes and slices, the slowest first; `memories` are the weight memories that may be chosen; `own` has
    shape (choices, memories, 4) with the resources of the layer's own units, `between` (choices of the layer before,
    choices, 4) with those of the units between the two layers. The order of the four is `RESOURCES`.
    """

    choices: tuple[Choice, ...]
    memories: tuple[Memory, ...]
    own: FloatArray
    between: FloatArray


def divisors(count: int) -> tuple[int, ...]:
    """Return the divisors of `count`, ascending."""
    return tuple(lanes for lanes in range(1, count + 1) if count % lanes == 0)


def choices(spec: FoldedSpec) -> tuple[Choice, ...]:
    """Return the lanes and slices that a layer may have: one lane of many slices first, then more and more lanes."""
    if isinstance(spec, StemSpec):
        return tuple((lanes, slices) for lanes in divisors(spec.out_channels) for slices in reversed(STEM_SLICES))
    slices = legal_slices(spec.in_channels, spec.kernel) if isinstance(spec, GatedConvSpec) else (1,)
    return (*((1, count) for count in reversed(slices)), *((lanes, 1) for lanes in divisors(outputs(spec))[1:]))


def nameless(spec: FoldedSpec) -> FoldedSpec:
    """Return the layer without its name, so that equal layers share one table."""
    return replace(spec, name="")


@lru_cache(maxsize=20_000)
def layer_table(spec: FoldedSpec, producer: FoldedSpec | None, words: Words) -> LayerTable:
    """Return the table of a layer and of the layer before, both as `nameless` returned them; None: there is none."""
    coefficients = coefficients_for(words.family, words.die)
    shares, memories = choices(spec), allowed_memories(spec, words)
    own = [
        [resources(own_units(spec, _folding(share, memory), words), coefficients) for memory in memories]
        for share in shares
    ]
    between = {
        lanes: [
            resources(
                units_between(
                    spec, outputs(producer), _folding((lanes, 1), "logic"), _folding(share, memories[0]), words
                ),
                coefficients,
            )
            for share in shares
        ]
        for lanes in (divisors(outputs(producer)) if producer is not None else ())
        if producer is not None
    }
    before = [between[lanes] for lanes, _ in choices(producer)] if producer is not None else []
    return LayerTable(shares, memories, np.array(own), np.array(before).reshape(-1, len(shares), len(RESOURCES)))


def _folding(share: Choice, memory: Memory) -> LayerFolding:
    return LayerFolding("", share[0], memory, slices=share[1])


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
    taken = [_unit_resources(unit.kind, tuple(unit.parameters.items()), coefficients) for unit in units]
    lut, ff, bram18, dsp = zip(*taken, strict=True) if taken else ((), (), (), ())
    return sum(lut), sum(ff), sum(bram18), sum(dsp)


@lru_cache(maxsize=200_000)
def _unit_resources(
    kind: str, parameters: tuple[tuple[str, Any], ...], coefficients: Coefficients
) -> tuple[float, float, float, float]:
    """Return lut, ff, bram18 and dsp of a unit; most units of a design occur in many foldings and designs."""
    terms = unit_terms(kind, dict(parameters))
    return (
        coefficients.predict(terms, "lut"),
        coefficients.predict(terms, "ff"),
        float(terms.bram18),
        float(terms.dsp),
    )


def option_cycles(spec: FoldedSpec, folding: LayerFolding, gates: LayerGates | None, awaited: bool) -> float:
    """Return the cycles a frame of a layer with a folding; `awaited` as `awaited_layers` says."""
    if isinstance(spec, StemSpec):
        return stem_cycles(spec, folding.lanes, folding.slices)
    if isinstance(spec, ClassifierSpec):
        return classifier_cycles(spec, folding.lanes)
    return conv_cycles(spec, folding, gates, awaited=awaited)


@lru_cache(maxsize=20_000)
def cycles_without_gates(spec: FoldedSpec, words: Words, awaited: bool) -> FloatArray:
    """Return the cycles of every folding of a nameless layer with the prior of `fracdse.hardware.cycles`."""
    return layer_cycles(spec, words, None, awaited)


def layer_cycles(spec: FoldedSpec, words: Words, gates: LayerGates | None, awaited: bool) -> FloatArray:
    """Return the cycles a frame of every folding of a layer, shape (choices, memories).

    Raises:
        KeyError: The statistics lack a lane count.
    """
    memories = allowed_memories(spec, words)
    return np.array(
        [
            [option_cycles(spec, _folding(share, memory), gates, awaited) for memory in memories]
            for share in choices(spec)
        ]
    )
