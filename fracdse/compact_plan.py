"""What a compact accelerator is: its sizes, and the shape of every layer as its loops see it.

A layer's output is computed row by row, and a row by *blocks*: `LANES` output channels, one group of input channels,
all pixels of the row. A block takes its weights once. Residual words lie in one feature map of words of `LANES`
channels, which every layer overwrites in place: row r of a stage of total stride s is row (r + 1)·s − 1 of the first
stage's map. Two-bit codes of the rows that a window needs lie in a ring of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.design import Design
from fracdse.errors import ConfigError
from fracdse.topology import ClassifierSpec, GatedConvSpec, PoolSpec, StemSpec, topology

LANES = 8
"""Output channels at once, and channels of a word of the feature map."""

SLOTS = 4
"""Rows, and columns, of the code store that are read side by side: what a 3×3 window needs and one more."""

PHASES = 4
"""Cycles of a round: blocks begin in its first one, and what uses the feature map takes turns within it."""

MAP_PART_WORDS = 256
"""Words of a memory of the feature map: what four LUTs hold of a bit without a multiplexer of their own."""

KERNEL = 3
_WIDEST_GROUP = 16
_FEWEST_ROWS = 2


@dataclass(frozen=True)
class CompactLayer:
    """One convolution as the loops see it: the stem where `in_words` is 0.

    rows, columns, in_rows, in_columns: of output and input. words, in_words: of the feature map, a pixel. groups: of
    input channels. inputs: channels that a sum adds up (colours times levels in the stem). scale: total stride of its
    output against the first stage's.
    """

    name: str
    rows: int
    columns: int
    in_rows: int
    in_columns: int
    stride: int
    words: int
    in_words: int
    groups: int
    inputs: int
    scale: int

    @property
    def is_stem(self) -> bool:
        """Tell the stem from gated convolutions."""
        return self.in_words == 0

    @property
    def planes(self) -> int:
        """Bits of an activation: passes over a pixel."""
        return 1 if self.is_stem else 2

    @property
    def block_cycles(self) -> int:
        """Cycles of a block."""
        return self.columns * self.planes

    @property
    def half_columns(self) -> int:
        """Words of one bank of the feature map for a row of the output and one word a pixel."""
        return -(-self.columns // 2)

    @property
    def half_in_columns(self) -> int:
        """The same for the input."""
        return -(-self.in_columns // 2)

    @property
    def column_slots(self) -> int:
        """Entries that a row of the input takes in one bank of the code store, for one group."""
        return -(-self.in_columns // SLOTS)


@dataclass(frozen=True)
class CompactPlan:
    """All layers, and the sizes that follow from them.

    group: input channels of a block. ring_entries: entries of a bank of the code store for a row of a gated
    convolution, a power of two. store_depth: all entries of a bank, both planes. row_words, bank_words: words of a bank
    of the feature map for a row of the first stage, and in all.
    """

    layers: tuple[CompactLayer, ...]
    group: int
    levels: int
    colours: int
    resolution: int
    features: int
    pixels: int
    classes: int
    ring_entries: int
    store_depth: int
    row_words: int
    bank_words: int

    @property
    def ring_rows(self) -> int:
        """Rows of codes that the ring holds for gated convolutions."""
        return SLOTS * (self.store_depth // 2 // self.ring_entries)

    @property
    def early_rows(self) -> int:
        """Return the rows of codes that may be written while the stem works: the ring's last one in every slot."""
        return SLOTS

    @property
    def taps(self) -> int:
        """Binary products of a lane and cycle."""
        return KERNEL * KERNEL * self.group

    @property
    def index_bits(self) -> int:
        """Return the bits that name an entry of a bank of the code store, but for its plane."""
        return (self.store_depth // 2 - 1).bit_length()

    @property
    def edge_bits(self) -> int:
        """Return the bits of a count over one column of taps."""
        return (KERNEL * self.group).bit_length()

    @property
    def sum_bits(self) -> int:
        """Return the width of a lane's sum, also of one that is not complete: it begins far below 0."""
        low = min(self.start_sum(layer, KERNEL, KERNEL) for layer in self.layers)
        return (-low - 1).bit_length() + 1

    @property
    def partial_sums(self) -> int:
        """Return how many sums of a lane are kept from one group of channels to the next."""
        return max((layer.block_cycles for layer in self.layers if layer.groups > 1), default=2)

    def start_sum(self, layer: CompactLayer, rows: int, columns: int) -> int:
        """Return what a lane's sum starts from where so many rows and columns of a window are inside the image.

        Half of the products there, and the edges of all groups, which are added inverted.
        """
        inverted_edges = layer.groups * ((1 << self.edge_bits) - 1)
        return -layer.inputs * rows * columns // 2 - inverted_edges

    def row_step(self, layer: CompactLayer) -> int:
        """Return the words of a bank from one row of a layer's output to the next."""
        return layer.scale * self.row_words

    def row_start(self, layer: CompactLayer) -> int:
        """Return the first row's first word in each bank."""
        return (layer.scale - 1) * self.row_words


def compact_plan(design: Design) -> CompactPlan:
    """Return the plan of a design's compact accelerator.

    Raises:
        ConfigError: The network has a layer, or a shape, that this architecture does not compute.
    """
    layers = topology(design)
    stem = next(spec for spec in layers if isinstance(spec, StemSpec))
    convs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    pool = next(spec for spec in layers if isinstance(spec, PoolSpec))
    classifier = next(spec for spec in layers if isinstance(spec, ClassifierSpec))
    _check(stem, convs)
    group = _WIDEST_GROUP if all(spec.in_channels % _WIDEST_GROUP == 0 for spec in convs) else LANES
    planned = [_stem_layer(stem, group)]
    scale = 1
    for spec in convs:
        scale *= spec.stride
        planned.append(_conv_layer(spec, group, scale))
    entries = max(layer.groups * layer.column_slots for layer in planned[1:])
    ring = 1 << (entries - 1).bit_length()
    # Beside the stem's codes there is room for the first layer's: the stem ends when they are there. A strided layer's
    # window and the pair of rows behind it are five rows.
    depth = 1 << (ring + max(ring, _stem_entries(planned[0])) - 1).bit_length()
    row_words = planned[0].words * planned[0].half_columns
    return CompactPlan(
        layers=tuple(planned),
        group=group,
        levels=stem.levels,
        colours=stem.colours,
        resolution=stem.resolution,
        features=classifier.features,
        pixels=pool.height * pool.width,
        classes=classifier.classes,
        ring_entries=ring,
        store_depth=2 * depth,
        row_words=row_words,
        bank_words=row_words * stem.out_height,
    )


def _stem_entries(stem: CompactLayer) -> int:
    """Return the entries of a bank that the stem's codes take; both planes of an entry hold a group."""
    return -(-stem.groups // 2) * stem.column_slots


def _stem_layer(spec: StemSpec, group: int) -> CompactLayer:
    groups = spec.colours * -(-spec.levels // group)
    return _layer(spec, in_words=0, groups=groups, inputs=spec.colours * spec.levels, scale=1)


def _conv_layer(spec: GatedConvSpec, group: int, scale: int) -> CompactLayer:
    groups = spec.in_channels // group
    return _layer(spec, in_words=spec.in_channels // LANES, groups=groups, inputs=spec.in_channels, scale=scale)


def _layer(spec: StemSpec | GatedConvSpec, *, in_words: int, groups: int, inputs: int, scale: int) -> CompactLayer:
    return CompactLayer(
        name=spec.name,
        rows=spec.out_height,
        columns=spec.out_width,
        in_rows=spec.in_height,
        in_columns=spec.in_width,
        stride=spec.stride,
        words=spec.out_channels // LANES,
        in_words=in_words,
        groups=groups,
        inputs=inputs,
        scale=scale,
    )


def _check(stem: StemSpec, convs: list[GatedConvSpec]) -> None:
    """Raise ConfigError for the first thing that the loops cannot do."""
    first = convs[0]
    rules: list[tuple[bool, str, str, int, str]] = [
        (stem.stride == 1, "stem", "a stride", stem.stride, "1"),
        (stem.colours * stem.levels % 2 == 0, "stem", "colours times levels", stem.colours * stem.levels, "even"),
        (first.stride == 1, first.name, "a stride", first.stride, "1 in the first layer"),
    ]
    folded: list[StemSpec | GatedConvSpec] = [stem, *convs]
    for spec in folded:
        columns = 4 if spec is stem else 2
        rules += [
            (spec.out_channels % LANES == 0, spec.name, "output channels", spec.out_channels, f"multiples of {LANES}"),
            (spec.out_width % columns == 0, spec.name, "output columns", spec.out_width, f"multiples of {columns}"),
            (spec.out_height >= _FEWEST_ROWS, spec.name, "output rows", spec.out_height, f"{_FEWEST_ROWS} or more"),
        ]  # fmt: skip
    for conv in convs:
        rules += [
            (conv.kernel == KERNEL, conv.name, "a kernel side", conv.kernel, str(KERNEL)),
            (conv.stride in (1, 2), conv.name, "a stride", conv.stride, "1, 2"),
            (conv.si is None, conv.name, "an SI branch's width", conv.si.width if conv.si else 0, "0"),
            (not conv.elastic_link, conv.name, "an Elastic-Link", int(conv.elastic_link), "0"),
            (conv.shortcut_bits == 0, conv.name, "shortcut bits", conv.shortcut_bits, "0"),
            (conv.clip_bits == 0, conv.name, "clip bits", conv.clip_bits, "0"),
        ]
    for holds, name, what, value, allowed in rules:
        if not holds:
            raise ConfigError(
                f"a compact accelerator does not compute layer {name}: {what} = {value}; allowed: {allowed}",
                hint="Take accelerator.architecture = 'dataflow' for this network.",
            )
