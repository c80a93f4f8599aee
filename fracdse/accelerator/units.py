# amaranth: UnusedElaboratable=no
"""The units of a dataflow accelerator, by name: what the top level connects and what synthesis takes one by one."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Elaboratable

from fracdse.accelerator.activation import Activation
from fracdse.accelerator.classifier import Classifier
from fracdse.accelerator.code_queue import CodeQueue
from fracdse.accelerator.control import Control
from fracdse.accelerator.gate_counters import GateCounters
from fracdse.accelerator.gated_conv import GatedConv
from fracdse.accelerator.global_pool import GlobalPool
from fracdse.accelerator.post import Post
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.shortcut import Shortcut
from fracdse.accelerator.si_branch import SIBranch
from fracdse.accelerator.stem import Stem
from fracdse.errors import ConfigError
from fracdse.folding import STEM_SLICES, Folding, LayerFolding, legal_slices
from fracdse.program.fixed_point import classifier_weight_bits
from fracdse.program.model import GatedConvProgram, Program
from fracdse.topology import ClassifierSpec, GatedConvSpec, PoolSpec, StemSpec, topology


@dataclass(frozen=True)
class LayerUnits:
    """The units of one gated convolution, in the order in which a pixel meets them."""

    name: str
    activation: Activation
    codes: CodeQueue | None
    conv: GatedConv
    shortcut: Shortcut
    si: SIBranch | None
    post: Post


@dataclass(frozen=True)
class Units:
    """All units of an accelerator."""

    stem: Stem
    layers: tuple[LayerUnits, ...]
    pool: GlobalPool
    classifier: Classifier
    control: Control

    def named(self) -> dict[str, Elaboratable]:
        """Return every unit under its name: the name of its submodule in the top level."""
        units: dict[str, Elaboratable] = {"stem": self.stem}
        for layer in self.layers:
            for kind in ("activation", "codes", "conv", "shortcut", "si", "post"):
                if (unit := getattr(layer, kind)) is not None:
                    units[f"{kind}_{layer.name}"] = unit
        return units | {"pool": self.pool, "classifier": self.classifier, "control": self.control}


def make_units(program: Program, folding: Folding, build_id: int) -> Units:
    """Make the units of a program; nothing is elaborated yet.

    Raises:
        ConfigError: The folding does not fit the program.
    """
    specs = topology(program.design)
    stem_spec = next(spec for spec in specs if isinstance(spec, StemSpec))
    conv_specs = [spec for spec in specs if isinstance(spec, GatedConvSpec)]
    pool_spec = next(spec for spec in specs if isinstance(spec, PoolSpec))
    classifier_spec = next(spec for spec in specs if isinstance(spec, ClassifierSpec))
    _check(folding, stem_spec, conv_specs, classifier_spec)
    bits = program.feature_bits
    schedule = Schedule.of(stem_spec.out_channels, folding.stem)
    form = program.design.accelerator.input_layer
    stem = Stem(stem_spec, program.stem, schedule, form=form, feature_bits=bits, slices=folding.stem.slices)
    layers = []
    for spec, layer, layer_folding in zip(conv_specs, program.convs, folding.convs, strict=True):
        layers.append(_layer(spec, layer, layer_folding, schedule, bits))
        schedule = Schedule.of(spec.out_channels, layer_folding)
    pool = GlobalPool(
        schedule,
        feature_bits=bits,
        pixels=pool_spec.height * pool_spec.width,
        shift=program.classifier.pool_shift,
    )
    classifier = Classifier(
        program.classifier,
        schedule,
        lanes=folding.classifier.lanes,
        weight_memory=folding.classifier.weight_memory,
        pooled_bits=pool.pooled_bits,
        use_dsp=not program.design.network.power_of_two,
        weight_bits=classifier_weight_bits(
            classifier_spec.features, pool.pooled_bits, program.design.accelerator.constant_bits
        ),
    )
    control = Control(
        build_id=build_id,
        gates=GateCounters([spec.out_channels for spec in conv_specs]),
        classes=classifier_spec.classes,
        frame_words=stem.frame_words,
    )
    return Units(stem, tuple(layers), pool, classifier, control)


def _layer(
    spec: GatedConvSpec, program: GatedConvProgram, folding: LayerFolding, producer: Schedule, feature_bits: int
) -> LayerUnits:
    consumer = Schedule.of(spec.out_channels, folding)
    conv = GatedConv(spec, program, folding, producer)
    shortcut = Shortcut(spec, program, producer, consumer, feature_bits=feature_bits)
    codes = None
    if conv.queued_pixels:
        codes = CodeQueue(
            channels=spec.in_channels, arriving=conv.codes_arriving, group=conv.codes, pixels=conv.queued_pixels
        )
    si = None
    if program.si is not None:
        si = SIBranch(spec, program.si, producer, consumer, feature_bits=feature_bits)
    post = Post(
        program,
        consumer,
        y_bits=conv.y_bits,
        shortcut_shape=shortcut.shape,
        feature_bits=feature_bits,
        si_bits=si.bits if si is not None else 0,
    )
    activation = Activation(
        program.activation_thresholds,
        program.descending,
        producer,
        feature_bits=feature_bits,
        whole_pixels=conv.codes_arriving == spec.in_channels,
    )
    return LayerUnits(spec.name.replace(".", "_"), activation, codes, conv, shortcut, si, post)


def _check(folding: Folding, stem: StemSpec, convs: list[GatedConvSpec], classifier: ClassifierSpec) -> None:
    """Raise ConfigError where lanes do not divide channels or an order is not a permutation of them."""
    if len(folding.convs) != len(convs):
        raise ConfigError(f"folding has {len(folding.convs)} gated convolutions, the network has {len(convs)}")
    layers = [(folding.stem, stem.out_channels, STEM_SLICES), (folding.classifier, classifier.classes, (1,))]
    layers += [
        (layer, spec.out_channels, legal_slices(spec.in_channels, spec.kernel) if layer.lanes == 1 else (1,))
        for layer, spec in zip(folding.convs, convs, strict=True)
    ]
    for layer, channels, allowed in layers:
        if layer.lanes < 1 or channels % layer.lanes:
            raise ConfigError(f"folding of {layer.name}: {layer.lanes} lanes do not divide {channels} channels")
        if layer.slices not in allowed:
            raise ConfigError(
                f"folding of {layer.name}: {layer.slices} slices with {layer.lanes} lanes; allowed: "
                f"{', '.join(map(str, allowed))}"
            )
        if layer.channel_order and sorted(layer.channel_order) != list(range(channels)):
            raise ConfigError(f"folding of {layer.name}: channel_order is not a permutation of 0 … {channels - 1}")
