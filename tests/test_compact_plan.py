"""Sizes of a compact accelerator, and what it refuses."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fracdse.compact_plan import LANES, SLOTS, CompactPlan, compact_plan
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.topology import GatedConvSpec, LayerSpec, topology


def test_sizes_of_cifar_resnet20() -> None:
    plan = compact_plan(Design())
    assert len(plan.layers) == 19
    assert (plan.group, plan.taps, plan.levels, plan.colours, plan.resolution) == (16, 144, 32, 3, 8)
    assert (plan.features, plan.pixels, plan.classes) == (64, 64, 10)
    # The stem: 6 groups of levels, two to an entry, 8 entries a row each. A gated convolution: 8 entries a row.
    assert (plan.ring_entries, plan.store_depth) == (8, 2 * 32)
    assert (plan.ring_rows, plan.early_rows) == (16, 4)
    assert (plan.row_words, plan.bank_words) == (2 * 16, 32 * 2 * 16)
    shapes = {(layer.rows, layer.words, layer.groups, layer.scale, layer.block_cycles) for layer in plan.layers}
    assert shapes == {
        (32, 2, 6, 1, 32),
        (32, 2, 1, 1, 64),
        (16, 4, 1, 2, 32),
        (16, 4, 2, 2, 32),
        (8, 8, 2, 4, 16),
        (8, 8, 4, 4, 16),
    }
    strided = [layer.name for layer in plan.layers if layer.stride == 2]
    assert strided == ["stage2.block0.conv1", "stage3.block0.conv1"]
    assert [plan.row_step(plan.layers[i]) for i in (0, 7, 13)] == [32, 64, 128]
    assert [plan.row_start(plan.layers[i]) for i in (0, 7, 13)] == [0, 32, 96]


def test_a_group_has_eight_channels_where_sixteen_do_not_divide_all() -> None:
    assert compact_plan(Design(network=NetworkChoices(width=24))).group == 8
    assert compact_plan(Design(network=NetworkChoices(width=32))).group == 16


designs = st.builds(
    lambda rows, columns, colours, width, depth, resolution: Design(
        ImageFormat(4 * rows, 16 * columns, colours, 10),
        NetworkChoices(width=8 * width, depth=depth, thermometer_resolution=resolution),
    ),
    st.integers(4, 16),
    st.integers(1, 4),
    st.sampled_from([1, 3]),
    st.integers(2, 8),
    st.sampled_from([8, 14, 20]),
    st.integers(1, 255),
)


def plan_of(design: Design) -> CompactPlan:
    assume(design.image.colours * round(255 / design.network.thermometer_resolution) % 2 == 0)
    return compact_plan(design)


@given(designs)
def test_rows_of_every_stage_lie_within_the_feature_map_and_apart(design: Design) -> None:
    plan = plan_of(design)
    for layer in plan.layers:
        row_words = layer.words * layer.half_columns
        # A stage has twice the words of half the columns: a row is as long as one of the first stage.
        assert row_words == plan.row_words
        starts = [plan.row_start(layer) + row * plan.row_step(layer) for row in range(layer.rows)]
        assert starts == [((row + 1) * layer.scale - 1) * plan.row_words for row in range(layer.rows)]
        assert starts[-1] + row_words <= plan.bank_words
        assert all(later - start >= row_words for start, later in pairwise(starts))


@given(designs)
def test_a_strided_layer_finds_its_two_rows(design: Design) -> None:
    plan = plan_of(design)
    for before, layer in pairwise(plan.layers):
        assert (layer.in_rows, layer.in_columns, layer.in_words) == (before.rows, before.columns, before.words)
        lower = plan.row_start(before) + (layer.stride - 1) * plan.row_step(before)
        assert plan.row_start(layer) == lower
        assert plan.row_step(layer) == layer.stride * plan.row_step(before)


@given(designs)
def test_the_ring_of_codes_holds_what_a_window_needs_beside_the_stems(design: Design) -> None:
    plan = plan_of(design)
    entries = plan.store_depth // 2
    stem = plan.layers[0]
    stem_entries = -(-stem.groups // 2) * stem.column_slots
    assert plan.ring_entries & (plan.ring_entries - 1) == 0
    assert entries & (entries - 1) == 0
    assert plan.ring_rows * plan.ring_entries == SLOTS * entries
    assert all(layer.groups * layer.column_slots <= plan.ring_entries for layer in plan.layers[1:])
    # Two rows above the ones of a strided window: its three rows, and the next two.
    assert plan.ring_rows >= 5
    # The stem's codes and, behind them, rows of the first layer's, of which two are needed before the stem ends.
    assert plan.early_rows % SLOTS == 0
    assert plan.early_rows >= 2
    assert stem_entries + plan.early_rows // SLOTS * plan.ring_entries <= entries


@given(designs)
def test_layers_take_all_channels(design: Design) -> None:
    plan = plan_of(design)
    stem, *convs = plan.layers
    assert stem.is_stem
    assert stem.inputs == plan.colours * plan.levels
    assert stem.groups * plan.group >= stem.inputs
    assert stem.block_cycles == stem.columns
    for layer in convs:
        assert not layer.is_stem
        assert layer.groups * plan.group == layer.inputs == layer.in_words * LANES
        assert layer.block_cycles == 2 * layer.columns
    assert plan.features == convs[-1].words * LANES
    assert plan.pixels == convs[-1].rows * convs[-1].columns


def image(height: int, width: int, colours: int = 3) -> ImageFormat:
    return ImageFormat(height, width, colours, 10)


@pytest.mark.parametrize(
    ("network", "format_", "layer", "what", "allowed"),
    [
        ({"si_width": 2}, image(32, 32), "stage1.block0.conv1", "an SI branch's width = 2", "0"),
        ({"elastic_link": True}, image(32, 32), "stage1.block0.conv1", "an Elastic-Link = 1", "0"),
        ({"shortcut_bits": 4}, image(32, 32), "stage1.block0.conv1", "shortcut bits = 4", "0"),
        ({"clip_bits": 6}, image(32, 32), "stage1.block0.conv1", "clip bits = 6", "0"),
        ({"body": "mobilenet", "width": 32}, image(128, 128), "stem", "a stride = 2", "1"),
        ({"body": "resnet18", "width": 16}, image(128, 128), "stem", "a stride = 2", "1"),
        ({"width": 4}, image(32, 32), "stem", "output channels = 4", "multiples of 8"),
        ({"width": 20}, image(32, 32), "stem", "output channels = 20", "multiples of 8"),
        ({}, image(32, 12), "stage3.block0.conv1", "output columns = 3", "multiples of 2"),
        ({}, image(32, 4), "stage3.block0.conv1", "output columns = 1", "multiples of 2"),
        ({}, image(4, 32), "stage3.block0.conv1", "output rows = 1", "2 or more"),
        ({"thermometer_resolution": 17}, image(32, 32), "stem", "colours times levels = 45", "even"),
        ({"thermometer_resolution": 85}, image(32, 32, 1), "stem", "colours times levels = 3", "even"),
    ],
)
def test_what_it_does_not_compute_is_refused(
    network: dict[str, Any], format_: ImageFormat, layer: str, what: str, allowed: str
) -> None:
    design = Design(format_, NetworkChoices(**network), AcceleratorChoices(architecture="compact"))
    with pytest.raises(ConfigError) as caught:
        compact_plan(design)
    assert str(caught.value) == (f"a compact accelerator does not compute layer {layer}: {what}; allowed: {allowed}")
    assert "'dataflow'" in caught.value.hint


def conv_with(**changes: int) -> tuple[LayerSpec, ...]:
    """Give the layers of the default network, the first gated convolution changed."""
    stem, conv, *others = topology(Design())
    assert isinstance(conv, GatedConvSpec)
    return (stem, replace(conv, **changes), *others)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kernel": 1}, "a kernel side = 1; allowed: 3"),
        ({"stride": 2}, "a stride = 2; allowed: 1 in the first layer"),
        ({"out_channels": 12}, "output channels = 12; allowed: multiples of 8"),
    ],
)
def test_layers_of_other_bodies_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], complaint: str
) -> None:
    monkeypatch.setattr("fracdse.compact_plan.topology", lambda design: conv_with(**changes))
    with pytest.raises(ConfigError, match=f"layer stage1.block0.conv1: {complaint}"):
        compact_plan(Design())
