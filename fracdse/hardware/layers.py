"""From a layer and its folding to the units that it is built of: the mirror of the accelerator's top level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fracdse.design import Design, InputLayer, WeightMemory
from fracdse.folding import Folding, LayerFolding
from fracdse.hardware.terms import UnitTerms
from fracdse.hardware.units.control import control_terms
from fracdse.hardware.units.fifo import fifo_terms
from fracdse.hardware.units.gated_conv import gated_conv_terms
from fracdse.hardware.units.head import classifier_terms, pool_terms
from fracdse.hardware.units.post import post_terms
from fracdse.hardware.units.si import si_terms
from fracdse.hardware.units.stem import stem_terms
from fracdse.hardware.units.window import window_terms
from fracdse.topology import ClassifierSpec, GatedConvSpec, LayerSpec, PoolSpec, StemSpec

FoldedSpec = StemSpec | GatedConvSpec | ClassifierSpec


@dataclass(frozen=True)
class Words:
    """What of a design, besides the layer itself, decides a layer's units."""

    feature_bits: int
    constant_bits: int
    input_layer: InputLayer
    weight_memory: WeightMemory
    family: str


def words_of(design: Design, family: str) -> Words:
    """Return a design's words on a device family."""
    choices = design.accelerator
    return Words(choices.feature_bits, choices.constant_bits, choices.input_layer, choices.weight_memory, family)


def layer_units(spec: FoldedSpec, folding: LayerFolding, words: Words) -> tuple[UnitTerms, ...]:
    """Return the units of one layer."""
    features, constants = words.feature_bits, words.constant_bits
    if isinstance(spec, StemSpec):
        return (
            window_terms(spec.colours, 8, spec.in_height, spec.in_width, spec.kernel),
            stem_terms(spec.colours, spec.levels, spec.out_channels, folding.lanes, words.input_layer),
        )
    if isinstance(spec, GatedConvSpec):
        return _conv_units(spec, folding, features, constants)
    return (classifier_terms(spec.features, spec.classes, folding.lanes, features, constants),)


def _conv_units(spec: GatedConvSpec, folding: LayerFolding, features: int, constants: int) -> tuple[UnitTerms, ...]:
    lag = (spec.kernel // 2) * (spec.in_width + 1) + 2
    units = [
        window_terms(spec.in_channels, 2, spec.in_height, spec.in_width, spec.kernel),
        gated_conv_terms(spec.out_channels, spec.fan_in, folding.lanes, folding.weight_memory),
        post_terms(spec.out_channels, folding.lanes, features, constants, spec.power_of_two),
        fifo_terms(features * min(folding.lanes, spec.in_channels), lag * max(1, spec.in_channels // folding.lanes)),
    ]
    if spec.si is not None:
        units.append(
            si_terms(
                spec.in_channels, spec.out_channels, spec.si.width, spec.si.bits, spec.si.interaction, spec.in_width
            )
        )
    return tuple(units)


def shared_units(layers: Sequence[LayerSpec], words: Words) -> tuple[UnitTerms, ...]:
    """Return the units that belong to no folded layer: pool and control."""
    gated = sum(isinstance(spec, GatedConvSpec) for spec in layers)
    pool = next(spec for spec in layers if isinstance(spec, PoolSpec))
    classes = next(spec.classes for spec in layers if isinstance(spec, ClassifierSpec))
    return (
        pool_terms(pool.channels, 1, pool.height * pool.width, words.feature_bits),
        control_terms(gated, classes),
    )


def folded_specs(layers: Sequence[LayerSpec]) -> tuple[FoldedSpec, ...]:
    """Return the layers that have lanes: stem, gated convolutions, classifier."""
    return tuple(spec for spec in layers if not isinstance(spec, PoolSpec))


def network_units(layers: Sequence[LayerSpec], folding: Folding, words: Words) -> tuple[UnitTerms, ...]:
    """Return all units of a dataflow accelerator."""
    foldings = (folding.stem, *folding.convs, folding.classifier)
    units = [
        unit
        for spec, layer in zip(folded_specs(layers), foldings, strict=True)
        for unit in layer_units(spec, layer, words)
    ]
    return (*units, *shared_units(layers, words))
