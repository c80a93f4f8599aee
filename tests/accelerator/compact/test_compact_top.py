"""Whole compact accelerators in Verilator, against the executor."""

from dataclasses import replace

import numpy as np
import pytest
from compact_programs import (
    BACK_TO_BACK,
    BUILD_ID,
    PAUSES,
    RESET,
    STALLED_SINK,
    check_bits,
    compact_design,
    of_layers,
    with_thresholds,
)
from random_programs import random_program

from fracdse.accelerator.emit import TOP_NAME, to_rtlil, unit_rtlil
from fracdse.build import simulation
from fracdse.build.simulation import SimulationOptions
from fracdse.build.verilator import lint
from fracdse.build.verilog import to_verilog
from fracdse.errors import ConfigError

FORMS = [BACK_TO_BACK, PAUSES, RESET]
FIRST = random_program(compact_design(), 1)
SLOW_SOURCE = SimulationOptions(pause_in=0.95, seed=9, reset_after_words=50)


def open_gates(layer):
    return np.full_like(layer.gate_threshold, -layer.weight[0].size - 1)


def shut_gates(layer):
    return np.full_like(layer.gate_threshold, layer.weight[0].size + 1)


def narrow_thresholds(program):
    """Return the program with thresholds for words of 8 bits."""
    return of_layers(program, activation_thresholds=lambda layer: layer.activation_thresholds // 16)


@pytest.fixture(scope="module")
def first_text():
    return to_rtlil(FIRST, None, BUILD_ID)


def test_every_form_gives_the_programs_bits():
    check_bits(FIRST, FORMS)


def test_other_shapes_and_constants_give_the_programs_bits():
    design = compact_design(24, 16, width=24, resolution=4, feature_bits=18, classes=100)
    program = with_thresholds(random_program(design, 2, extras=True), "symmetric")
    check_bits(program, [replace(STALLED_SINK, pause_in=0.5)], frames=3)


def test_a_reset_in_a_later_layer_leaves_no_trace(monkeypatch, tmp_path):
    # As `RESET`, but the whole frame is sent, and 137 cycles for each word asked for pass before the reset.
    interrupting = simulation._MAIN.read_text()
    for old, new in (
        ("bench.send(words, count);", "bench.send(words, FRAME_WORDS);"),
        (
            "bench.tick();\n    bench.reset",
            "bench.tick();\n    for (int i = 137 * count; i; --i) bench.tick();\n    bench.reset",
        ),
    ):
        assert interrupting.count(old) == 1
        interrupting = interrupting.replace(old, new)
    main = tmp_path / "simulate.cpp"
    main.write_text(f"#define FRAME_WORDS {16 * 16 // 4}\n{interrupting}")
    monkeypatch.setattr(simulation, "_MAIN", main)
    check_bits(FIRST, [SimulationOptions(reset_after_words=words) for words in (4, 9, 21, 38, 47)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {"height": 20, "columns": 32, "width": 32},
        {"columns": 48, "colours": 3, "resolution": 4},
        {"resolution": 10, "feature_bits": 10, "depth": 14},
        {"height": 64, "columns": 16, "feature_bits": 24, "resolution": 4},
        {"height": 24, "columns": 64, "width": 40, "colours": 3, "resolution": 64, "depth": 20},
    ],
)
def test_shapes(choices):
    program = random_program(compact_design(**choices), 3, extras=True)
    check_bits(program, [*FORMS, SLOW_SOURCE])


@pytest.mark.slow
def test_a_reader_that_stalls_for_whole_frames_loses_nothing():
    program = random_program(compact_design(classes=200), 4)
    check_bits(program, [STALLED_SINK, SimulationOptions(pause_out=0.97, seed=3)], frames=8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["free", "centred", "symmetric"])
def test_thresholds(kind):
    check_bits(with_thresholds(random_program(compact_design(colours=3), 5), kind), FORMS[:2])


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"gate_threshold": open_gates},
        {"gate_threshold": shut_gates},
        {"descending": lambda layer: np.ones_like(layer.descending)},
        {"residual_multiplier": lambda layer: np.zeros_like(layer.split), "residual_shift": 2},
        {"multiplier": lambda layer: abs(layer.multiplier), "offset": lambda layer: layer.offset << 6, "shift": 9},
        {"multiplier": lambda layer: layer.multiplier << 14, "offset": lambda layer: layer.offset << 12, "shift": 19},
    ],
)
def test_constants(fields):
    program = of_layers(random_program(compact_design(), 6, extras=True), **fields)
    check_bits(program, FORMS[:2])


@pytest.mark.slow
def test_narrow_words():
    program = narrow_thresholds(random_program(compact_design(feature_bits=8), 7))
    check_bits(program, FORMS)


def test_text_is_reproducible(first_text):
    assert first_text == to_rtlil(FIRST, None, BUILD_ID)
    assert "src" not in first_text.split("module", 1)[0]


def test_every_unit_is_a_module_of_the_top_and_stands_alone(first_text):
    units = unit_rtlil(FIRST, None, BUILD_ID)
    assert {"sequencer", "lanes", "post_unit", "writer", "classifier", "control"} < set(units)
    for name, text in units.items():
        assert f"module \\{TOP_NAME}.{name}\n" in first_text
        assert f"module \\{name}\n" in text


def test_lint_is_clean(first_text):
    assert lint(to_verilog(first_text), top=TOP_NAME) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices", [{"colours": 3, "width": 24}, {"height": 32, "columns": 32, "resolution": 4}, {"resolution": 10}]
)
def test_lint_of_other_shapes_is_clean(choices):
    program = random_program(compact_design(**choices), extras=True)
    assert lint(to_verilog(to_rtlil(program, None, 1)), top=TOP_NAME) == []


def test_a_network_that_it_does_not_compute_is_refused():
    design = compact_design(width=20)
    with pytest.raises(ConfigError, match="does not compute layer stem: output channels = 20"):
        to_rtlil(random_program(design), None, 0)
