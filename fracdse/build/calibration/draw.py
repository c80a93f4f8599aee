"""Random designs and foldings over the whole legal space: whole small networks, and single units up to large ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fracdse.design import AcceleratorChoices, Body, Design, ImageFormat, NetworkChoices
from fracdse.folding import STEM_SLICES, Folding, LayerFolding, Memory, legal_slices
from fracdse.hardware.layers import FoldedSpec, Words, folded_specs, outputs, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import allowed_memories, divisors
from fracdse.hardware.registry import Unit
from fracdse.topology import GatedConvSpec, StemSpec

# Products a cycle of a layer. Most networks stay below the first limit, so that a unit takes a second or two; one in
# twelve goes up to the second. A layer of a single unit gets a limit between the two of its own.
USUAL_PRODUCTS = 160
LARGEST_PRODUCTS = 2500
_SLICED_SHARE, _SLICED_STEM_SHARE = 0.15, 0.25
_SMALL_WIDTHS = (2, 3, 4, 4, 5, 6, 8, 8, 12)
_WIDE_WIDTHS = (6, 8, 10, 12, 16, 16, 20, 24, 32)


def draw_design(generator: np.random.Generator, *, wide: bool = False) -> Design:
    """Return a random design in which every choice that reaches the hardware varies: narrow, or wide ones as well."""

    def pick(*values: int) -> int:
        return int(generator.choice(values))

    body: Body = "mobilenet" if generator.random() < (0.1 if wide else 0.03) else "resnet"
    side = pick(32, 64) if body == "mobilenet" else pick(8, 12, 16, 20, 24, 28, 32)
    power_of_two = bool(generator.random() < 0.25)
    feature_bits = pick(12, 14, 16, 18, 20, 22, 24, 24)
    return Design(
        image=ImageFormat(side, side + (pick(0, 0, 4) if body == "resnet" else 0), pick(1, 3), pick(2, 5, 10)),
        network=NetworkChoices(
            body=body,
            depth=8,
            width=2 if body == "mobilenet" else pick(*(_WIDE_WIDTHS if wide else _SMALL_WIDTHS)),
            thermometer_resolution=pick(4, 6, 8, 12, 16, 32, 64),
            si_width=pick(0, 0, 0, 0, 2, 3),
            si_interaction="full" if generator.random() < 0.5 else "depthwise",
            si_bits=pick(4, 6, 8),
            shortcut_bits=pick(0, 0, 0, 2, 4),
            elastic_link=bool(generator.random() < 0.15),
            power_of_two=power_of_two,
            clip_bits=pick(0, 0, 0, 8),
        ),
        accelerator=AcceleratorChoices(
            input_layer="popcount" if generator.random() < 0.3 else "table",
            feature_bits=feature_bits,
            constant_bits=feature_bits + pick(-2, 0, 0, 2) if feature_bits < 24 else 24,
        ),
    )


def draw_folding(design: Design, generator: np.random.Generator, *, wide: bool = False) -> Folding:
    """Return a random folding with at most `LARGEST_PRODUCTS` products a cycle in any layer."""
    network = network_layers(design)
    specs = folded_specs(network)
    words = words_of(design, network, "xcup")
    usual = LARGEST_PRODUCTS if generator.random() < 1 / 12 else USUAL_PRODUCTS

    def limit() -> float:
        return USUAL_PRODUCTS * (LARGEST_PRODUCTS / USUAL_PRODUCTS) ** generator.random() if wide else usual

    layers = [_draw_layer(spec, words, limit(), generator) for spec in specs]
    return Folding(layers[0], tuple(layers[1:-1]), layers[-1])


def choose_units(units: Sequence[Unit], count: int, generator: np.random.Generator) -> list[Unit]:
    """Return some of a network's units, every kind with the same chance, convolutions with three times that."""
    kinds = Counter(unit.kind for unit in units)
    weights = np.array([(3.0 if unit.kind.endswith("_conv") else 1.0) / kinds[unit.kind] for unit in units])
    chosen = generator.choice(len(units), size=min(count, len(units)), replace=False, p=weights / weights.sum())
    return [units[index] for index in sorted(chosen)]


def _draw_layer(spec: FoldedSpec, words: Words, products: float, generator: np.random.Generator) -> LayerFolding:
    lanes = [count for count in divisors(outputs(spec)) if count == 1 or count * _products(spec) <= products]
    memories: tuple[Memory, ...] = allowed_memories(spec, words)
    memory = memories[int(generator.integers(len(memories)))]
    if isinstance(spec, StemSpec):
        chance = generator.spawn(1)[0]
        cut = int(chance.choice(STEM_SLICES[1:])) if chance.random() < _SLICED_STEM_SHARE else 1
        return LayerFolding(spec.name, int(generator.choice(lanes)), memory, slices=cut)
    slices = legal_slices(spec.in_channels, spec.kernel)[1:] if isinstance(spec, GatedConvSpec) else ()
    if slices and generator.random() < _SLICED_SHARE:
        return LayerFolding(spec.name, 1, memory, slices=int(generator.choice(slices)))
    return LayerFolding(spec.name, int(generator.choice(lanes)), memory)


def _products(spec: FoldedSpec) -> int:
    """Return what a lane of a layer costs, in products of a gated convolution."""
    if isinstance(spec, GatedConvSpec):
        return spec.fan_in
    if isinstance(spec, StemSpec):
        return 27 * 12
    return 40
