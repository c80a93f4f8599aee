"""From layers and their folding to units: the mirror of the accelerator's top level.

A layer's own units depend on its folding alone (`own_units`); what stands between two layers depends on the lanes of
both (`units_between`): the activation, the shortcut and the SI branch before a gated convolution, the pool before the
classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fracdse.design import Design, InputLayer, WeightMemory
from fracdse.folding import Folding, LayerFolding, codes_a_beat, queued_codes, queued_pixels
from fracdse.hardware.registry import Unit
from fracdse.hardware.reorder import fifo_banks
from fracdse.hardware.units.control import counter_bits
from fracdse.hardware.units.post import sum_width
from fracdse.program.fixed_point import pooled_bits
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
    pool_pixels: int
    power_of_two: bool = False
    die: str = ""


def words_of(design: Design, layers: Sequence[LayerSpec], family: str, die: str = "") -> Words:
    """Return a design's words on a device family; `die` where its own coefficients come first."""
    choices = design.accelerator
    pixels = next(spec.height * spec.width for spec in layers if isinstance(spec, PoolSpec))
    return Words(
        choices.feature_bits, choices.constant_bits, choices.input_layer, choices.weight_memory, family, pixels,
        design.network.power_of_two, die,
    )  # fmt: skip


def outputs(spec: FoldedSpec) -> int:
    """Return how many channels (or classes) a layer's lanes divide."""
    return spec.classes if isinstance(spec, ClassifierSpec) else spec.out_channels


def own_units(spec: FoldedSpec, folding: LayerFolding, words: Words) -> tuple[Unit, ...]:
    """Return the units of a layer that its own folding decides."""
    lanes = folding.lanes
    if isinstance(spec, StemSpec):
        stem = {
            "colours": spec.colours, "levels": spec.levels, "channels": spec.out_channels, "lanes": lanes,
            "width": spec.in_width, "feature_bits": words.feature_bits, "form": words.input_layer,
        }  # fmt: skip
        if folding.slices > 1:
            stem["slices"] = folding.slices
        return (Unit(spec.name, "stem", stem),)
    if isinstance(spec, ClassifierSpec):
        return ()
    conv = {
        "in_channels": spec.in_channels, "out_channels": spec.out_channels, "stride": spec.stride,
        "width": spec.in_width, "height": spec.in_height, "memory": folding.weight_memory,
    }  # fmt: skip
    conv |= {"lanes": lanes, "kernel": spec.kernel} if folding.slices == 1 else {"slices": folding.slices}
    post = {
        "channels": spec.out_channels, "lanes": lanes, "sum_bits": sum_width(spec.fan_in, spec.clip_bits),
        "feature_bits": words.feature_bits, "constant_bits": words.constant_bits,
        "shortcut_bits": spec.shortcut_bits, "power_of_two": spec.power_of_two, "elastic_link": spec.elastic_link,
        "si_bits": words.feature_bits if spec.si else 0, "rescaled": spec.rescales_residual(words.feature_bits),
    }  # fmt: skip
    kind = "gated_conv" if folding.slices == 1 else "sliced_conv"
    return (Unit(spec.name, kind, conv), Unit(spec.name, "post", post))


def units_between(
    spec: FoldedSpec, producer_channels: int, producer: LayerFolding, folding: LayerFolding, words: Words
) -> tuple[Unit, ...]:
    """Return the units between a layer and the one before it."""
    if isinstance(spec, GatedConvSpec):
        activation = {
            "channels": producer_channels, "lanes": producer.lanes, "feature_bits": words.feature_bits,
            "power_of_two": spec.power_of_two, "batch_norm": spec.batch_norm,
        }  # fmt: skip
        arriving = codes_a_beat(spec.in_channels, folding.slices, producer.lanes)
        if arriving < spec.in_channels:
            activation["whole_pixels"] = False
        banks = fifo_banks(
            producer.channel_order or tuple(range(producer_channels)),
            producer.lanes,
            folding.channel_order or tuple(range(spec.out_channels)),
            folding.lanes,
        )
        shortcut = {
            "in_channels": spec.in_channels, "producer_lanes": producer.lanes, "lanes": folding.lanes,
            "banks": banks, "in_width": spec.in_width, "out_width": spec.out_width, "kernel": spec.kernel,
            "stride": spec.stride, "feature_bits": words.feature_bits, "shortcut_bits": spec.shortcut_bits,
            "si": spec.si is not None,
        }  # fmt: skip
        units = [Unit(spec.name, "activation", activation), Unit(spec.name, "shortcut", shortcut)]
        if queued := queued_pixels(spec, folding.slices):
            codes = queued_codes(spec.in_channels, folding.slices, arriving, queued)
            queue = {"channels": codes, "pixels": queued * spec.in_channels // codes}
            units.append(Unit(spec.name, "codes", queue | ({"arriving": arriving} if arriving < codes else {})))
        if spec.si is not None:
            branch = {
                "in_channels": spec.in_channels, "producer_lanes": producer.lanes, "lanes": folding.lanes,
                "steps": spec.out_channels // folding.lanes, "width": spec.si.width, "bits": spec.si.bits,
                "constant_bits": words.constant_bits, "feature_bits": words.feature_bits,
                "interaction": spec.si.interaction, "map_width": spec.in_width,
            }  # fmt: skip
            units.append(Unit(spec.name, "si", branch))
        return tuple(units)
    if isinstance(spec, ClassifierSpec):
        pool = {
            "channels": spec.features, "lanes": producer.lanes, "pixels": words.pool_pixels,
            "feature_bits": words.feature_bits,
        }  # fmt: skip
        classifier = {
            "features": spec.features, "classes": spec.classes, "lanes": folding.lanes,
            "producer_lanes": producer.lanes, "pooled_bits": pooled_bits(words.feature_bits),
            "constant_bits": words.constant_bits, "memory": folding.weight_memory,
        }  # fmt: skip
        if words.power_of_two:
            classifier["use_dsp"] = False
        return (Unit("pool", "pool", pool), Unit(spec.name, "classifier", classifier))
    return ()


def shared_units(specs: Sequence[FoldedSpec]) -> tuple[Unit, ...]:
    """Return the units that belong to no layer: control."""
    channels = [spec.out_channels for spec in specs if isinstance(spec, GatedConvSpec)]
    return (Unit("system", "control", {"gated_layers": len(channels), "counter_bits": counter_bits(channels)}),)


def folded_specs(layers: Sequence[LayerSpec]) -> tuple[FoldedSpec, ...]:
    """Return the layers that have lanes: stem, gated convolutions, classifier."""
    return tuple(spec for spec in layers if not isinstance(spec, PoolSpec))


def awaited_layers(specs: Sequence[FoldedSpec]) -> tuple[bool, ...]:
    """Tell of each layer whether a gated convolution without a queue of codes follows it."""
    following = (*specs[1:], None)
    return tuple(isinstance(spec, GatedConvSpec) and not queued_pixels(spec, 1) for spec in following)


def layer_foldings(folding: Folding) -> tuple[LayerFolding, ...]:
    """Return the foldings in the order of `folded_specs`."""
    return (folding.stem, *folding.convs, folding.classifier)


def network_units(layers: Sequence[LayerSpec], folding: Folding, words: Words) -> tuple[Unit, ...]:
    """Return all units of a dataflow accelerator."""
    specs, foldings = folded_specs(layers), layer_foldings(folding)
    units: list[Unit] = []
    for index, (spec, chosen) in enumerate(zip(specs, foldings, strict=True)):
        if index:
            units += units_between(spec, outputs(specs[index - 1]), foldings[index - 1], chosen, words)
        units += own_units(spec, chosen, words)
    return (*units, *shared_units(specs))
