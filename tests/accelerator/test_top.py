from dataclasses import replace

import numpy as np
import pytest
from random_programs import random_folding, random_program

from fracdse.accelerator.emit import TOP_NAME, to_rtlil, unit_rtlil
from fracdse.accelerator.units import make_units
from fracdse.build.simulation import SimulationOptions, simulate
from fracdse.build.verilator import lint
from fracdse.build.verilog import to_verilog
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import BuildFailed, ConfigError
from fracdse.folding import Folding, LayerFolding
from fracdse.program.executor import Executor

BUILD_ID = 0x0123_4567_89AB_CDEF
PLAIN = Design(ImageFormat(8, 8, 1, 4), NetworkChoices(depth=8, width=4, thermometer_resolution=64))
PLAIN_LANES = {4: 2, 8: 2, 16: 1}
HURRY = [
    SimulationOptions(),
    SimulationOptions(pause_in=0.4, pause_out=0.6, seed=5, reset_after_words=11),
    SimulationOptions(pause_out=0.9, seed=6),
]


def check(design, folding, program, options):
    verilog = to_verilog(to_rtlil(program, folding, BUILD_ID))
    image = design.image
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (5, image.height, image.width, image.colours), dtype=np.uint8)
    executor = Executor(program)
    want = executor.run(images)
    gates = [int(layer.gate.sum()) for layer in executor.layers(images)]
    for option in options:
        result = simulate(
            verilog, images, top=TOP_NAME, classes=image.classes, gated_layers=len(program.convs), options=option
        )
        assert np.array_equal(result.logits, want.logits)
        assert result.build_id == BUILD_ID
        assert list(result.gate_counts) == gates


@pytest.fixture(scope="module")
def plain():
    return random_program(PLAIN), random_folding(PLAIN, PLAIN_LANES)


def test_whole_accelerator_gives_the_programs_bits(plain):
    program, folding = plain
    check(PLAIN, folding, program, HURRY)


def test_sliced_lanes_give_the_programs_bits_beside_whole_ones():
    lanes = {4: 1, 8: 1, 16: 1}
    for memory, slices in (("bram", (3, 3, 3, 6, 6, 12)), ("logic", (1, 3, 1, 3, 6, 3))):
        folding = random_folding(PLAIN, lanes, memory=memory, slices=slices)
        check(PLAIN, folding, random_program(PLAIN), HURRY)


def test_a_stalled_run_names_the_streams_between_units(plain):
    program, folding = plain
    verilog = to_verilog(to_rtlil(program, folding, BUILD_ID))
    images = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    impatient = SimulationOptions(patience_cycles=20, jobs=1)
    with pytest.raises(BuildFailed, match=r"offered and not taken inside: .*shortcut_stage2_block0_conv1\.x"):
        simulate(verilog, images, top=TOP_NAME, classes=4, gated_layers=6, options=impatient)


def test_text_is_reproducible_and_lint_is_clean(plain):
    program, folding = plain
    text = to_rtlil(program, folding, 1)
    assert text == to_rtlil(program, folding, 1)
    assert "src" not in text.split("module", 1)[0]
    assert lint(to_verilog(text), top=TOP_NAME) == []


def test_every_unit_is_a_module_of_the_top_and_stands_alone(plain):
    program, folding = plain
    whole = to_rtlil(program, folding, 1)
    units = unit_rtlil(program, folding, 1)
    assert {"stem", "pool", "classifier", "control"} < set(units)
    for name, text in units.items():
        assert f"module \\{TOP_NAME}.{name}\n" in whole
        assert f"module \\{name}\n" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "accelerator", "lanes", "memory"),
    [
        (
            {"si_width": 2, "shortcut_bits": 2, "clip_bits": 6, "elastic_link": True},
            {"input_layer": "popcount"},
            {4: 2, 8: 4, 16: 4},
            "logic",
        ),
        ({"si_width": 3, "si_interaction": "full"}, {"feature_bits": 12}, {4: 1, 8: 2, 16: 2}, "bram"),
        ({}, {}, {4: 4, 8: 8, 16: 16}, "lutram"),
        ({"depth": 14, "thermometer_resolution": 4}, {}, {4: 1, 8: 1, 16: 1}, "bram"),
    ],
)
def test_every_option_of_the_space(network, accelerator, lanes, memory):
    choices = {"depth": 8, "width": 4, "thermometer_resolution": 32} | network
    design = Design(ImageFormat(8, 8, 3, 4), NetworkChoices(**choices), AcceleratorChoices(**accelerator))
    program = random_program(design, 3, extras=True)
    check(design, random_folding(design, lanes, memory=memory), program, HURRY[:2])


@pytest.mark.slow
def test_mobilenet_with_branches_and_strides():
    network = NetworkChoices(body="mobilenet", width=2, thermometer_resolution=64, si_width=1, shortcut_bits=4)
    design = Design(ImageFormat(32, 32, 1, 2), network)
    lanes = {2 * 2**i: min(4, 2 * 2**i) for i in range(6)}
    check(design, random_folding(design, lanes), random_program(design, 4), HURRY[:2])


def test_a_folding_that_does_not_fit_is_refused(plain):
    program, folding = plain
    stem = LayerFolding("stem", 3, "logic")
    with pytest.raises(ConfigError, match="3 lanes do not divide 4 channels"):
        make_units(program, Folding(stem, folding.convs, folding.classifier), 0)
    with pytest.raises(ConfigError, match="5 gated convolutions, the network has 6"):
        make_units(program, Folding(folding.stem, folding.convs[:-1], folding.classifier), 0)
    sliced = (replace(folding.convs[0], slices=6), *folding.convs[1:])
    with pytest.raises(ConfigError, match="6 slices with 2 lanes; allowed: 1"):
        make_units(program, Folding(folding.stem, sliced, folding.classifier), 0)
    twisted = (LayerFolding("l", 2, "logic", (0, 0, 1, 2)), *folding.convs[1:])
    with pytest.raises(ConfigError, match="not a permutation"):
        make_units(program, Folding(folding.stem, twisted, folding.classifier), 0)
