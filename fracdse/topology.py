"""The layers of a design: the one description that the float, integer, RTL and cost views all read.

Every body is a thermometer stem, gated convolutions that each carry their own shortcut, a global average pool and a
linear classifier. A new body is a new function here; a new kind of layer is a new spec and one file in each view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fracdse.design import Design, Interaction
from fracdse.errors import ConfigError

_RESNET_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
_MOBILENET_CHANNEL_FACTORS = (1, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)
_MOBILENET_STRIDED_BLOCKS = (1, 3, 5, 11)
# Products of all strides of a body, the stem's included.
_STRIDES = {"resnet": 4, "resnet18": 32, "resnet34": 32, "mobilenet": 32}
# Residual words of so many bits or fewer are narrow: sums of several layers on one scale would be too coarse.
NARROW_WORD_BITS = 14
# Bits of a residual word and of a constant that an integer program can have.
SMALLEST_WORD, LARGEST_WORD = 6, 24


@dataclass(frozen=True)
class SIBranchSpec:
    """The squeeze-and-interaction branch beside a gated convolution; see docs/how-it-works.md."""

    width: int
    interaction: Interaction
    bits: int


@dataclass(frozen=True)
class StemSpec:
    """Binary 3×3 convolution on thermometer levels, without a gate; channel order is colour·levels + level."""

    name: str
    colours: int
    levels: int
    resolution: int
    out_channels: int
    in_height: int
    in_width: int
    stride: int
    kernel: int = 3

    @property
    def in_channels(self) -> int:
        """Channels after thermometer encoding."""
        return self.colours * self.levels

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return -(-self.in_height // self.stride)

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return -(-self.in_width // self.stride)


def has_full_flag(levels: int) -> bool:
    """Say whether the hardware's code of a full level count is a flag of its own (fracdse.accelerator.thermometer)."""
    return levels > 1 and levels.bit_count() == 1


@dataclass(frozen=True)
class GatedConvSpec:
    """Gated binary convolution with everything up to the next one.

        r' = BN_out(RPReLU(BN_conv(fconv(q(r)))) + shortcut(r) + si(r))

    The shortcut averages stride×stride pixels, is quantised to `shortcut_bits` (0: not) and repeats its channels
    `expansion` times, as cat(x, x). Padding is kernel // 2, with zeros.
    """

    name: str
    in_channels: int
    out_channels: int
    in_height: int
    in_width: int
    kernel: int
    stride: int
    shortcut_bits: int
    si: SIBranchSpec | None
    elastic_link: bool
    power_of_two: bool
    batch_norm: bool
    clip_bits: int
    codebook_bits: int
    feeds_pool: bool = False

    @property
    def expansion(self) -> int:
        """How often the shortcut repeats its channels."""
        return self.out_channels // self.in_channels

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return self.in_height // self.stride

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return self.in_width // self.stride

    @property
    def fan_in(self) -> int:
        """Binary products of one output element in one pass."""
        return self.in_channels * self.kernel * self.kernel

    def rescales_residual(self, feature_bits: int) -> bool:
        """Tell whether the layer always brings its residual to a scale of its own.

        Codes have another scale than words, the last layer's residuals span more than all before, and words of few
        bits have none to give away. Other layers do so only where their ranges ask for it.
        """
        return self.shortcut_bits > 0 or self.feeds_pool or feature_bits <= NARROW_WORD_BITS


@dataclass(frozen=True)
class PoolSpec:
    """Global average pool over height×width."""

    name: str
    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class ClassifierSpec:
    """Linear layer from pooled features to class scores."""

    name: str
    features: int
    classes: int


LayerSpec = StemSpec | GatedConvSpec | PoolSpec | ClassifierSpec


def topology(design: Design) -> tuple[LayerSpec, ...]:
    """Return the layers of a design, in order.

    Raises:
        ConfigError: The body cannot be built: a depth that is not 6·n + 2, an image that the strides do not divide, or
            a value out of range.
    """
    _check(design)
    net = design.network
    if net.body == "resnet":
        return _residual(design, stem_stride=1, first_stride=1, blocks=((net.depth - 2) // 6,) * 3)
    if net.body == "mobilenet":
        return _mobilenet(design)
    return _residual(design, stem_stride=2, first_stride=2, blocks=_RESNET_BLOCKS[net.body])


def gated_convs(design: Design) -> tuple[GatedConvSpec, ...]:
    """Return only the gated convolutions of a design, in order."""
    return tuple(spec for spec in topology(design) if isinstance(spec, GatedConvSpec))


def block_shapes(design: Design) -> list[tuple[int, int, int]]:
    """Return channels, rows and columns of every block's output; a block is two gated convolutions."""
    return [(conv.out_channels, conv.out_height, conv.out_width) for conv in gated_convs(design)[1::2]]


def _residual(design: Design, stem_stride: int, first_stride: int, blocks: tuple[int, ...]) -> tuple[LayerSpec, ...]:
    """Lay out a residual network: two gated convolutions a block; stages from the second on double the channels."""
    stem = _stem(design, design.network.width, stem_stride)
    layers: list[LayerSpec] = [stem]
    channels, height, width = stem.out_channels, stem.out_height, stem.out_width
    for stage, count in enumerate(blocks):
        for block in range(count):
            for conv in (1, 2):
                first = block == 0 and conv == 1
                stride = (first_stride if stage == 0 else 2) if first else 1
                out = channels * 2 if first and stage > 0 else channels
                name = f"stage{stage + 1}.block{block}.conv{conv}"
                layers.append(_gated(design, name, channels, out, height, width, kernel=3, stride=stride))
                channels, height, width = out, height // stride, width // stride
    return (*_feeding_pool(layers), *_head(design, channels, height, width))


def _mobilenet(design: Design) -> tuple[LayerSpec, ...]:
    """Lay out FracBNN's ImageNet body (arXiv 2012.12206): 13 blocks of a 3×3 and a 1×1 gated convolution."""
    stem = _stem(design, design.network.width, stride=2)
    layers: list[LayerSpec] = [stem]
    height, width = stem.out_height, stem.out_width
    for block in range(len(_MOBILENET_CHANNEL_FACTORS) - 1):
        inp, out = (design.network.width * _MOBILENET_CHANNEL_FACTORS[block + i] for i in (0, 1))
        stride = 2 if block in _MOBILENET_STRIDED_BLOCKS else 1
        layers.append(_gated(design, f"block{block}.conv3x3", inp, inp, height, width, kernel=3, stride=stride))
        height, width = height // stride, width // stride
        layers.append(_gated(design, f"block{block}.conv1x1", inp, out, height, width, kernel=1, stride=1))
    return (*_feeding_pool(layers), *_head(design, out, height, width))


def _stem(design: Design, channels: int, stride: int) -> StemSpec:
    image, resolution = design.image, design.network.thermometer_resolution
    return StemSpec(
        "stem", image.colours, round(255 / resolution), resolution, channels, image.height, image.width, stride
    )


def _gated(
    design: Design, name: str, in_channels: int, out_channels: int, height: int, width: int, *, kernel: int, stride: int
) -> GatedConvSpec:
    net = design.network
    if height % stride or width % stride or height < stride or width < stride:
        raise ConfigError(
            f"image.height × image.width = {design.image.height}×{design.image.width}: stride {stride} of layer {name} "
            f"does not divide its {height}×{width} input",
            hint=f"Use an image size that every stride of the body divides{_product_of_strides(net.body)}.",
        )
    si = SIBranchSpec(net.si_width, net.si_interaction, net.si_bits) if net.si_width else None
    return GatedConvSpec(
        name,
        in_channels,
        out_channels,
        height,
        width,
        kernel,
        stride,
        net.shortcut_bits,
        si,
        net.elastic_link,
        net.power_of_two,
        net.batch_norm,
        net.clip_bits,
        net.codebook_bits,
    )


def _product_of_strides(body: str) -> str:
    return f": a multiple of {_STRIDES[body]} for '{body}'" if body in _STRIDES else ""


def _feeding_pool(layers: Sequence[LayerSpec]) -> tuple[LayerSpec, ...]:
    *inner, last = layers
    assert isinstance(last, GatedConvSpec)
    return (*inner, replace(last, feeds_pool=True))


def _head(design: Design, channels: int, height: int, width: int) -> tuple[PoolSpec, ClassifierSpec]:
    return (
        PoolSpec("pool", channels, height, width),
        ClassifierSpec("classifier", channels, design.image.classes),
    )


def _check(design: Design) -> None:
    """Raise ConfigError for the first value that no network, or no accelerator of it, can be built with."""
    net, image, accelerator = design.network, design.image, design.accelerator
    resolution = net.thermometer_resolution
    rules = [
        (net.body != "resnet" or (8 <= net.depth <= 1202 and net.depth % 6 == 2), "network.depth", net.depth,
         "6·n + 2, 8 to 1202"),
        (1 <= net.width <= 1024, "network.width", net.width, "1 to 1024"),
        (1 <= resolution <= 255, "network.thermometer_resolution", resolution, "1 to 255"),
        (0 <= net.si_width <= 64, "network.si_width", net.si_width, "0 to 64"),
        (2 <= net.si_bits <= 16, "network.si_bits", net.si_bits, "2 to 16"),
        (0 <= net.shortcut_bits <= 8, "network.shortcut_bits", net.shortcut_bits, "0 to 8"),
        (net.clip_bits == 0 or 4 <= net.clip_bits <= 16, "network.clip_bits", net.clip_bits, "0, or 4 to 16"),
        (0 <= net.codebook_bits <= 8, "network.codebook_bits", net.codebook_bits, "0 to 8"),
        (-64 <= net.gate_threshold <= 64, "network.gate_threshold", net.gate_threshold, "-64 to 64"),
        (4 <= image.height <= 1024, "image.height", image.height, "4 to 1024 pixels"),
        (4 <= image.width <= 1024, "image.width", image.width, "4 to 1024 pixels"),
        (image.colours in (1, 3), "image.colours", image.colours, "1 or 3"),
        (2 <= image.classes <= 10_000, "image.classes", image.classes, "2 to 10,000"),
        (1 <= accelerator.clock_mhz <= 1000, "accelerator.clock_mhz", accelerator.clock_mhz, "1 to 1000"),
        (0 <= accelerator.fps < math.inf, "accelerator.fps", accelerator.fps, "0 or more"),
        (0 <= accelerator.lut_share <= 1, "accelerator.lut_share", accelerator.lut_share, "0 to 1"),
        (SMALLEST_WORD <= accelerator.feature_bits <= LARGEST_WORD, "accelerator.feature_bits",
         accelerator.feature_bits, f"{SMALLEST_WORD} to {LARGEST_WORD}"),
        (SMALLEST_WORD <= accelerator.constant_bits <= LARGEST_WORD, "accelerator.constant_bits",
         accelerator.constant_bits, f"{SMALLEST_WORD} to {LARGEST_WORD}"),
    ]  # fmt: skip
    for holds, path, value, allowed in rules:
        if not holds:
            raise ConfigError(f"{path} = {value!r} is out of range; allowed: {allowed}")
