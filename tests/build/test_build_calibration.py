from pathlib import Path

import numpy as np
import pytest

from fracdse.build.calibration.draw import LARGEST_PRODUCTS, draw_design, draw_folding
from fracdse.build.calibration.random_network import random_images, random_parameters
from fracdse.build.calibration.run import points_file, synthesise_points
from fracdse.build.calibration.units import SYNTHESISED_KINDS, unit_rtlils
from fracdse.build.yosys import SynthesisOptions
from fracdse.hardware.calibration.points import NETWORK, read_points
from fracdse.hardware.registry import FORMULAS, unit_terms
from fracdse.program.lowering import lower
from fracdse.topology import gated_convs


def test_every_kind_of_unit_that_the_model_counts_is_synthesised() -> None:
    assert set(SYNTHESISED_KINDS) == set(FORMULAS)


@pytest.mark.parametrize("seed", range(8))
def test_drawn_foldings_are_legal_and_small(seed: int) -> None:
    generator = np.random.default_rng(seed)
    design = draw_design(generator)
    folding = draw_folding(design, generator)
    for spec, layer in zip(gated_convs(design), folding.convs, strict=True):
        assert spec.out_channels % layer.lanes == 0
        assert layer.lanes == 1 or layer.lanes * spec.fan_in <= LARGEST_PRODUCTS


def test_a_draw_is_the_same_for_the_same_seed() -> None:
    first, second = (np.random.default_rng([1, 2]) for _ in range(2))
    assert draw_design(first) == draw_design(second)


def test_units_are_generated_with_what_the_model_counts_of_them() -> None:
    generator = np.random.default_rng([1, 4])
    design = draw_design(generator)
    folding = draw_folding(design, generator)
    program = lower(random_parameters(design, generator), random_images(design, generator))
    pairs = list(unit_rtlils(program, folding, "xcup"))
    assert {unit.kind for unit, _ in pairs} >= {
        "stem",
        "activation",
        "gated_conv",
        "shortcut",
        "post",
        "pool",
        "control",
    }
    assert all("module" in text and unit_terms(unit.kind, unit.parameters).lut for unit, text in pairs)


@pytest.mark.slow
def test_points_are_stored_a_network_at_a_time_and_not_drawn_again(tmp_path: Path) -> None:
    said: list[str] = []
    options = SynthesisOptions(jobs=1)
    points = synthesise_points(1, 1, options, said.append, tmp_path)
    assert read_points([points_file("xcup", tmp_path)]) == points
    assert points[-1].unit == NETWORK
    again = synthesise_points(1, 1, options, said.append, tmp_path)
    assert again == points
    assert len(said) == 1
    for point in points[:-1]:
        terms = unit_terms(point.unit, point.parameters)
        assert (terms.bram18, terms.dsp) == (point.bram18, point.dsp)
