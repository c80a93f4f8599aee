"""The RTLIL of every unit of an accelerator, each as its own top, beside the unit that the cost model counts for it."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth.back import rtlil
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring

from fracdse.accelerator.activation import Activation
from fracdse.accelerator.classifier import Classifier
from fracdse.accelerator.control import Control
from fracdse.accelerator.gated_conv import GatedConv, sum_bits
from fracdse.accelerator.gearbox import WORD_BYTES
from fracdse.accelerator.global_pool import GlobalPool
from fracdse.accelerator.global_pool import sum_bits as pooled_sum_bits
from fracdse.accelerator.post import Post
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.shortcut import Shortcut, code_pixels, shortcut_shape
from fracdse.accelerator.si_branch import SIBranch
from fracdse.accelerator.si_products import si_bits
from fracdse.accelerator.stem import Stem
from fracdse.accelerator.stream_fifo import StreamFifo
from fracdse.folding import Folding, codes_a_beat
from fracdse.hardware.layers import folded_specs, layer_foldings, network_units, outputs, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.registry import Unit
from fracdse.program.model import Program
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec, gated_convs

SYNTHESISED_KINDS = (
    "stem",
    "activation",
    "codes",
    "gated_conv",
    "sliced_conv",
    "shortcut",
    "post",
    "si",
    "pool",
    "classifier",
    "control",
)


def unit_rtlils(program: Program, folding: Folding, family: str) -> Iterator[tuple[Unit, str]]:
    """Yield every unit of a program's accelerator that stands by itself, with its RTLIL."""
    layers = network_layers(program.design)
    specs, foldings = folded_specs(layers), layer_foldings(folding)
    schedules = [Schedule.of(outputs(spec), chosen) for spec, chosen in zip(specs, foldings, strict=True)]
    index = {spec.name: position for position, spec in enumerate(specs)} | {"pool": len(specs) - 1, "system": 0}
    for unit in network_units(layers, folding, words_of(program.design, layers, family)):
        if unit.kind in SYNTHESISED_KINDS:
            position = index[unit.layer]
            component = _component(unit.kind, program, specs[position], position, schedules, folding)
            yield unit, rtlil.convert(component, name=unit.kind, emit_src=False)


def _component(
    kind: str,
    program: Program,
    spec: StemSpec | GatedConvSpec | ClassifierSpec,
    position: int,
    schedules: list[Schedule],
    folding: Folding,
) -> wiring.Component:
    bits, schedule = program.feature_bits, schedules[position]
    if kind == "control":
        return _control(program)
    if isinstance(spec, StemSpec):
        form = program.design.accelerator.input_layer
        return Stem(spec, program.stem, schedule, form=form, feature_bits=bits)
    producer = schedules[position - 1]
    if isinstance(spec, ClassifierSpec):
        pixels, shift = _pool_pixels(program), program.classifier.pool_shift
        if kind == "pool":
            return GlobalPool(producer, feature_bits=bits, pixels=pixels, shift=shift)
        return Classifier(
            program.classifier,
            producer,
            lanes=folding.classifier.lanes,
            weight_memory=folding.classifier.weight_memory,
            pooled_bits=pooled_sum_bits(bits, pixels) + 1 - shift,
        )
    layer = program.convs[position - 1]
    if kind == "activation":
        codes = codes_a_beat(spec.in_channels, folding.convs[position - 1].slices, producer.lanes)
        return Activation(
            layer.activation_thresholds,
            layer.descending,
            producer,
            feature_bits=bits,
            whole_pixels=codes == spec.in_channels,
        )
    if kind == "codes":
        depth = code_pixels(spec, folding.convs[position - 1].slices)
        return StreamFifo(data.ArrayLayout(unsigned(2), spec.in_channels), depth)
    if kind == "shortcut":
        return Shortcut(spec, layer, producer, schedule, feature_bits=bits)
    if kind == "si" and layer.si is not None:
        return SIBranch(spec, layer.si, producer, schedule, feature_bits=bits)
    if kind in ("gated_conv", "sliced_conv"):
        return GatedConv(spec, layer, folding.convs[position - 1], producer)
    return Post(
        layer,
        schedule,
        y_bits=sum_bits(spec, layer),
        shortcut_shape=shortcut_shape(layer, bits),
        feature_bits=bits,
        si_bits=si_bits(layer.si) if layer.si is not None else 0,
    )


def _control(program: Program) -> Control:
    image = program.design.image
    return Control(
        build_id=int(program.design.key, 16),
        channels=[spec.out_channels for spec in gated_convs(program.design)],
        classes=image.classes,
        frame_words=-(-image.height * image.width * image.colours // WORD_BYTES),
    )


def _pool_pixels(program: Program) -> int:
    return words_of(program.design, network_layers(program.design), "").pool_pixels
