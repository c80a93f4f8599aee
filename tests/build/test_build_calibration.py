from pathlib import Path

import numpy as np
import pytest

from fracdse.accelerator.units import make_units
from fracdse.build.calibration.draw import LARGEST_PRODUCTS, choose_units, draw_design, draw_folding
from fracdse.build.calibration.random_network import random_images, random_parameters, settled
from fracdse.build.calibration.run import make_draw, points_file, synthesise_points
from fracdse.build.calibration.simulate import draw_design as draw_simulated
from fracdse.build.calibration.simulate import simulate_networks
from fracdse.build.calibration.units import component_name
from fracdse.build.yosys import SynthesisOptions
from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.hardware.calibration.points import NETWORK, read_points
from fracdse.hardware.calibration.simulated import read_simulated
from fracdse.hardware.layers import network_units, words_of
from fracdse.hardware.network import network_layers
from fracdse.hardware.registry import FORMULAS, unit_terms
from fracdse.program.float_reference import residuals
from fracdse.program.lowering import lower
from fracdse.topology import gated_convs


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_drawn_foldings_are_legal_and_small(seed: int, wide: bool) -> None:
    generator = np.random.default_rng(seed)
    design = draw_design(generator, wide=wide)
    folding = draw_folding(design, generator, wide=wide)
    for spec, layer in zip(gated_convs(design), folding.convs, strict=True):
        assert spec.out_channels % layer.lanes == 0
        assert layer.lanes == 1 or layer.lanes * spec.fan_in <= LARGEST_PRODUCTS


def test_a_draw_is_the_same_for_the_same_name() -> None:
    assert make_draw("1-network-0", "xcup") == make_draw("1-network-0", "xcup")


def test_a_network_has_every_unit_that_the_model_counts_of_it() -> None:
    draw = make_draw("1-network-5", "xcup")
    assert draw.whole is not None
    design, folding = draw.whole
    program = lower(*(make(design, np.random.default_rng(1)) for make in (random_parameters, random_images)))
    assert {component_name(unit) for unit in draw.units} == set(make_units(program, folding, 1).named())
    assert all("module" in text and unit.terms.lut for unit, text in zip(draw.units, draw.texts, strict=True))


def test_single_units_are_of_all_kinds() -> None:
    generator = np.random.default_rng(3)
    kinds = set()
    for _ in range(40):
        design = draw_design(generator, wide=True)
        folding = draw_folding(design, generator, wide=True)
        layers = network_layers(design)
        units = network_units(layers, folding, words_of(design, layers, "xcup"))
        kinds |= {unit.kind for unit in choose_units(units, 5, generator)}
    assert kinds == set(FORMULAS)


def test_norms_settle_as_training_leaves_them_and_middle_thresholds_at_zero() -> None:
    generator = np.random.default_rng(0)
    design = Design(ImageFormat(16, 16, 3, 10), NetworkChoices(depth=14, width=8, thermometer_resolution=16))
    parameters, images = random_parameters(design, generator), random_images(design, generator)
    found = settled(parameters, images, generator)
    *inner, last = residuals(found, images)
    for residual in inner:
        assert 0.6 < np.median(residual.std((0, 1, 2))) < 1.1
        assert np.all(np.abs(residual.mean((0, 1, 2))) < 1.2)
    assert 1.5 < np.median(last.std((0, 1, 2))) < 2.7
    middle = [conv.activation_thresholds[:, 1] for conv in lower(found, images).convs]
    assert not np.any(np.concatenate(middle))


def test_networks_without_batch_norms_keep_their_scales() -> None:
    generator = np.random.default_rng(0)
    network = NetworkChoices(depth=8, width=4, thermometer_resolution=32, batch_norm=False)
    design = Design(ImageFormat(8, 8, 1, 4), network)
    parameters = random_parameters(design, generator)
    assert settled(parameters, random_images(design, generator), generator) is parameters


@pytest.mark.slow
def test_points_are_stored_a_draw_at_a_time_and_not_drawn_again(tmp_path: Path) -> None:
    said: list[str] = []
    options = SynthesisOptions(jobs=1)
    points = synthesise_points(10, 1, options, said.append, tmp_path)
    assert read_points([points_file("xcup", tmp_path)]) == points
    assert points[-1].unit == NETWORK
    again = synthesise_points(10, 1, options, said.append, tmp_path)
    assert again == points
    assert len(said) == 1
    for point in points[:-1]:
        terms = unit_terms(point.unit, point.parameters)
        assert (terms.bram18, terms.dsp) == (point.bram18, point.dsp)


def test_simulated_networks_are_stored_and_not_simulated_again(tmp_path: Path) -> None:
    said: list[str] = []
    path = simulate_networks(1, 3, 1, said.append, tmp_path)
    (network,) = read_simulated(path)
    assert network.name == "3-0"
    assert 0 < network.cycles_per_frame < network.latency_cycles
    assert len(said) == 1
    written = path.read_bytes()
    simulate_networks(1, 3, 1, said.append, tmp_path)
    assert len(said) == 1
    assert path.read_bytes() == written


def test_networks_to_simulate_are_the_same_for_the_same_seed() -> None:
    drawn = [draw_simulated(np.random.default_rng([1, 4])) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].accelerator.folding == "smallest at fps"
