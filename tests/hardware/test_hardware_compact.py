import csv
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.compact_constants import constant_shape
from fracdse.data_files import data_folder
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.hardware.calibration.points import NETWORK, read_points
from fracdse.hardware.compact import (
    ConstantFields,
    compact_coefficients,
    compact_constants,
    compact_resources,
    network_plan,
    usual_fields,
    weight_blocks,
    widest_fields,
)
from fracdse.hardware.compact_cycles import compact_times
from fracdse.hardware.estimate import estimate, estimate_many, layer_figures
from fracdse.hardware.folding import FoldingInfeasible, solve
from fracdse.memories import bram18

RELEASED = Design(accelerator=AcceleratorChoices(architecture="compact", feature_bits=10, constant_bits=12))
POINTS_FOLDER = data_folder("hw_models") / "compact"
SYNTHESISED = [point for point in read_points([POINTS_FOLDER / "units-xcup.csv"]) if point.unit == NETWORK]
with (POINTS_FOLDER / "cycles.csv").open(encoding="utf-8", newline="") as file:
    SIMULATED = list(csv.DictReader(file))


def compact(**choices: object) -> Design:
    return replace(RELEASED, accelerator=replace(RELEASED.accelerator, **choices))


@pytest.mark.parametrize("row", SIMULATED, ids=[row["network"] for row in SIMULATED])
def test_cycles_of_simulated_networks(row: dict[str, str]) -> None:
    plan = network_plan(Design.from_dict(json.loads(row["design"])))
    times = compact_times(plan, int(row["post_words"]), int(row["code_words"]))
    assert times.frame == pytest.approx(int(row["cycles_per_frame"]), rel=0.01)
    assert times.latency == pytest.approx(int(row["latency_cycles"]), rel=0.01)


@pytest.mark.parametrize("point", SYNTHESISED, ids=[point.network for point in SYNTHESISED])
def test_resources_of_synthesised_networks(point) -> None:
    design = Design.from_dict(point.parameters["design"])
    known = compact_resources(design, ConstantFields(**point.parameters["fields"]))
    assert (known.bram18, known.dsp) == (point.bram18, point.dsp)
    usual = compact_resources(design)
    assert usual.lut == pytest.approx(point.lut, rel=0.05)
    assert usual.ff == pytest.approx(point.ff, rel=0.08)


def test_a_network_that_never_waits_takes_the_cycles_of_its_blocks() -> None:
    design = replace(RELEASED, image=ImageFormat(32, 32, 3, 10), network=NetworkChoices(depth=8, width=64))
    plan = network_plan(design)
    blocks = sum(layer.rows * layer.words * layer.groups * layer.block_cycles for layer in plan.layers)
    two_rows_of_pixels = 2 * 32 * plan.layers[0].groups
    assert compact_times(plan, 5, 1).frame == blocks + two_rows_of_pixels + 8


def test_blocks_shorter_than_their_weights_take_wait_for_them() -> None:
    """The last stage of 16×16 images has 4 columns: 8 cycles a block, and 16 for its weights."""
    times = compact_times(network_plan(replace(RELEASED, image=ImageFormat(16, 16, 3, 10))), 5, 1)
    layer = network_plan(replace(RELEASED, image=ImageFormat(16, 16, 3, 10))).layers[-1]
    assert layer.block_cycles == 8
    assert times.layers[-1] == layer.rows * layer.words * layer.groups * 16


def test_a_classifier_of_many_classes_sets_the_rate() -> None:
    design = Design(ImageFormat(16, 16, 3, 1000), NetworkChoices(depth=8, width=16), RELEASED.accelerator)
    times = compact_times(network_plan(design), 5, 1)
    assert times.frame == times.classifier == 1000 * (64 + 6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.sampled_from([8, 16, 24, 32, 48, 64]),
    width=st.sampled_from([8, 16, 32, 64]),
    colours=st.integers(1, 3),
    channels=st.sampled_from([8, 16, 24, 32]),
    depth=st.sampled_from([8, 14, 20]),
    resolution=st.sampled_from([4, 8, 16, 32]),
    words=st.tuples(st.integers(3, 30), st.integers(1, 8)),
)
def test_lanes_and_code_writer_never_wait_for_each_other(
    height: int, width: int, colours: int, channels: int, depth: int, resolution: int, words: tuple[int, int]
) -> None:
    network = NetworkChoices(depth=depth, width=channels, thermometer_resolution=resolution)
    try:
        plan = network_plan(replace(RELEASED, image=ImageFormat(height, width, colours, 10), network=network))
    except ConfigError:
        return
    times = compact_times(plan, *words)
    blocks = sum(layer.rows * layer.words * layer.groups * layer.block_cycles for layer in plan.layers)
    assert blocks <= times.frame
    assert sum(times.layers) in (times.frame, times.frame - times.classifier) or times.frame == times.classifier
    assert times.latency > times.frame - times.classifier
    # More words of constants never make it faster by more than a round of phases a row.
    slower = compact_times(plan, words[0] + 8, words[1]).frame
    assert slower >= times.frame - 4 * sum(layer.rows for layer in plan.layers)


def test_blocks_of_the_released_network() -> None:
    """Golden: what synthesis gives for the released network with words of 10 bits and constants of 12, and others."""
    for words, constants, blocks in ((10, 12, 19), (10, 10, 19), (12, 12, 20), (9, 12, 19), (8, 12, 19)):
        figures = estimate(compact(feature_bits=words, constant_bits=constants))
        assert (figures.bram18.value, figures.dsp.value) == (blocks, 9)


def test_the_released_network_comes_out_as_built() -> None:
    """Golden: simulated, 84,136 cycles a frame, 84,848 for the first; synthesised, 8,670 LUT and 9,130 flip-flops."""
    figures = estimate(RELEASED)
    assert figures.cycles_per_frame.value == 84_136
    assert figures.latency_us.value == pytest.approx(84_848 / 250)
    assert figures.lut.value == pytest.approx(8_670, rel=0.05)
    assert figures.ff.value == pytest.approx(9_130, rel=0.05)


def test_the_memory_of_constants_takes_the_width_of_fewest_blocks() -> None:
    shape = constant_shape(67, 90, 8, 80)
    others = [bram18(width, 90 * -(-8 * 67 // width) + 80 * -(-64 // width)) for width in range(36, 325, 36)]
    assert shape.blocks == min(others)


def test_constants_are_between_usual_and_widest() -> None:
    plan = network_plan(RELEASED)
    usual, widest = usual_fields(plan, RELEASED), widest_fields(plan, RELEASED)
    assert usual == ConstantFields(67, 8)
    assert usual.post_bits < widest.post_bits
    figures = estimate(RELEASED)
    blocks = weight_blocks(plan) + compact_constants(plan, widest).blocks
    assert (figures.bram18.low, figures.bram18.high) == (figures.bram18.value, blocks)


def test_gates_do_not_matter_and_many_are_estimated_like_one() -> None:
    designs = [RELEASED, compact(feature_bits=24, constant_bits=24), Design(), compact(clock_mhz=100.0)]
    many = estimate_many(designs)
    assert [figures.lut for figures in many if figures] == [estimate(design).lut for design in designs]
    assert many[3].fps.value == pytest.approx(many[0].fps.value / 2.5)


@pytest.mark.parametrize(
    ("design", "resource"),
    [
        (compact(lut_share=0.1), "lut"),
        (compact(folding="smallest at fps", fps=5000.0), "fps"),
        (replace(RELEASED, network=NetworkChoices(depth=32, width=64)), "bram18"),
    ],
)
def test_what_does_not_fit_says_why(design: Design, resource: str) -> None:
    assert estimate_many([design]) == [None]
    with pytest.raises(FoldingInfeasible, match="does not fit ultra96v2") as error:
        estimate(design)
    assert error.value.resource == resource
    assert error.value.excess > 0
    assert "folding" not in error.value.message


def test_the_rate_that_is_reached_is_no_miss() -> None:
    assert estimate_many([compact(folding="smallest at fps", fps=2900.0)])[0] is not None
    with pytest.raises(ConfigError, match="must be above 0"):
        estimate(compact(folding="smallest at fps", fps=0.0))


def test_a_network_that_the_architecture_does_not_compute_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not compute layer"):
        estimate(replace(RELEASED, network=NetworkChoices(si_width=2)))
    with pytest.raises(ConfigError, match="has no folding"):
        solve(RELEASED)


def test_layers_of_a_compact_design_add_up() -> None:
    layers, figures = layer_figures(RELEASED), estimate(RELEASED)
    assert layers[-1].name == "system"
    assert (layers[-1].lut, layers[-1].dsp) == (figures.lut.value, figures.dsp.value)
    assert sum(layer.cycles for layer in layers if layer.name != "classifier") == figures.cycles_per_frame.value
    assert {layer.lanes for layer in layers[:-3]} == {8}


def test_held_out_networks_set_the_intervals() -> None:
    widths = compact_coefficients().network_half_width
    assert 0 < widths["lut"] <= 0.05
    assert 0 < widths["ff"] <= 0.08
