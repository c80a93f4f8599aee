import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.folding import Folding, LayerFolding, legal_slices
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware import options
from fracdse.hardware.chains import PRICES, Layer, chain_resources
from fracdse.hardware.coefficients import Coefficients
from fracdse.hardware.cycles import conv_cycles
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import FoldingInfeasible, solve
from fracdse.hardware.options import LayerTable, divisors
from fracdse.hardware.solver import best_within, fastest_limit
from fracdse.hardware.units.sliced_conv import sliced_conv_terms
from fracdse.topology import gated_convs

SMALL = Design(image=ImageFormat(8, 8, 1, 10), network=NetworkChoices(depth=8, width=4, thermometer_resolution=32))


def with_choices(design: Design, **choices: object) -> Design:
    return replace(design, accelerator=replace(design.accelerator, **choices))  # type: ignore[arg-type]


def random_layers(seed: int) -> list[Layer]:
    generator = np.random.default_rng(seed)
    layers, before = [], 0
    for _ in range(4):
        lanes = int(generator.integers(1, 4))
        own = generator.integers(1, 40, (lanes, 2, 4)).astype(float)
        between = generator.integers(0, 10, (before, lanes, 4)).astype(float)
        cycles = generator.integers(1, 12, (lanes, 2)).astype(float)
        layers.append(Layer(LayerTable(tuple(range(1, lanes + 1)), ("logic", "bram"), own, between), cycles))
        before = lanes
    return layers


def brute_force(layers: list[Layer], limit: float, budgets: np.ndarray, prices: np.ndarray) -> float | None:  # type: ignore[type-arg]
    best = None
    ranges = [list(np.ndindex(*layer.cycles.shape)) for layer in layers]
    for choice in product(*ranges):
        if any(layer.cycles[place] > limit for layer, place in zip(layers, choice, strict=True)):
            continue
        total = chain_resources(layers, [lane for lane, _ in choice], [memory for _, memory in choice])
        if np.all(total <= budgets):
            cost = float(total @ prices)
            best = cost if best is None or cost < best else best
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_solver_agrees_with_brute_force(seed: int) -> None:
    layers = random_layers(seed)
    generator = np.random.default_rng(1000 + seed)
    for _ in range(4):
        budgets = generator.integers(40, 160, 4).astype(float)
        limit = float(generator.integers(2, 12))
        found = best_within(layers, limit, budgets, "lut")
        expected = brute_force(layers, limit, budgets, np.array([1.0, 0.0, 0.0, 0.0]))
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert found.resources[0] == pytest.approx(expected)
            assert found.within(budgets)


@pytest.mark.parametrize("seed", range(20))
def test_the_fastest_limit_is_the_first_that_fits(seed: int) -> None:
    layers, budgets = random_layers(seed), np.array([90.0, 90.0, 90.0, 90.0])
    found = fastest_limit(layers, budgets)
    limits = sorted({float(cycles) for layer in layers for cycles in layer.cycles.flat})
    fitting = [limit for limit in limits if brute_force(layers, limit, budgets, PRICES["lut"]) is not None]
    assert found == (fitting[0] if fitting else None)


def test_the_fastest_folding_stays_within_the_device() -> None:
    folding = solve(Design())
    assert all(layer.lanes >= 1 for layer in folding.convs)
    assert [layer.name for layer in folding.convs] == [spec.name for spec in gated_convs(Design())]


def test_a_lower_rate_never_takes_more_luts() -> None:
    from fracdse.hardware.estimate import estimate

    rates = (2_000.0, 10_000.0, 30_000.0)
    figures = [estimate(with_choices(Design(), folding="smallest at fps", fps=rate)) for rate in rates]
    luts = [figure.lut.value for figure in figures]
    assert luts == sorted(luts)
    assert all(figure.fps.value >= rate for figure, rate in zip(figures, rates, strict=True))


def test_an_impossible_rate_names_what_binds_and_the_least_violating_folding() -> None:
    design = with_choices(Design(), folding="smallest at fps", fps=1e7)
    said = r"fits ultra96v2 at 10,000,000 frames/s: the fastest folding that fits reaches [\d,]+ frames/s$"
    with pytest.raises(FoldingInfeasible, match=said) as caught:
        solve(design)
    assert caught.value.resource == "fps"
    assert caught.value.excess > 1
    assert caught.value.folding is not None
    assert caught.value.exit_code == 3


def test_a_network_too_large_for_the_device_names_the_resource() -> None:
    design = Design(network=NetworkChoices(width=256), accelerator=AcceleratorChoices(lut_share=0.1))
    with pytest.raises(FoldingInfeasible, match="binds") as caught:
        solve(design)
    assert caught.value.resource in ("lut", "bram18", "ff", "dsp")
    assert re.search(r"binds, [\d,]+ % above what is allowed; the least violating folding", caught.value.message)


def test_the_weight_memory_asked_for_is_kept() -> None:
    folding = solve(with_choices(SMALL, weight_memory="bram"))
    assert {layer.weight_memory for layer in folding.convs} == {"bram"}


def test_a_low_rate_is_reached_with_sliced_lanes() -> None:
    from fracdse.hardware.estimate import estimate

    design = with_choices(Design(), folding="smallest at fps", fps=2807.0)
    folding = solve(design)
    assert all(layer.lanes == 1 and layer.slices > 1 for layer in folding.convs)
    whole = Folding(
        replace(folding.stem, slices=1), tuple(replace(layer, slices=1) for layer in folding.convs), folding.classifier
    )
    figures = estimate(design, folding=folding)
    assert figures.fps.value >= 2807
    assert figures.lut.value < 0.6 * estimate(design, folding=whole).lut.value
    assert Folding.from_dict(folding.to_dict()) == folding


@pytest.mark.parametrize(
    "wrong",
    [{"lanes": "x"}, {"lanes": 0}, {"lanes": True}, {"slices": 1.5}, {"slices": -3}, {"weight_memory": "disk"},
     {"channel_order": [0, "1"]}, {"channel_order": [-1]}, {"name": 7}],
    ids=str,
)  # fmt: skip
def test_values_that_are_no_folding_are_refused(wrong: dict[str, Any]) -> None:
    values = solve(Design()).to_dict()
    values["convs"] = [{**values["convs"][0], **wrong}, *values["convs"][1:]]
    with pytest.raises(ValueError, match="is no folding of a layer"):
        Folding.from_dict(values)


@given(st.sampled_from([2, 4, 6, 16, 24, 48, 64]), st.sampled_from([2, 16, 24, 64]), st.sampled_from([1, 2]))
def test_slices_trade_cycles_for_luts_and_hold_every_weight(inputs: int, outputs: int, stride: int) -> None:
    spec = replace(gated_convs(SMALL)[0], in_channels=inputs, out_channels=outputs, stride=stride)
    foldings = [LayerFolding("", 1, "bram", (), slices) for slices in legal_slices(inputs, 3)[1:]]
    terms = [
        sliced_conv_terms(inputs, outputs, stride, spec.in_width, spec.in_height, folding.slices, "bram")
        for folding in foldings
    ]
    cycles = [conv_cycles(spec, folding, None) for folding in foldings]
    assert cycles == sorted(cycles)
    assert [t.lut["products"] for t in terms] == sorted((t.lut["products"] for t in terms), reverse=True)
    assert all(t.bram18 * 18 * 1024 >= 9 * inputs * outputs for t in terms)


def test_gates_that_stay_shut_are_faster() -> None:
    specs = gated_convs(SMALL)

    def statistics(count: float) -> GateStatistics:
        layers = [LayerGates(s.name, 0.1, dict.fromkeys(divisors(s.out_channels), count)) for s in specs]
        return GateStatistics(tuple(layers), 10)

    from fracdse.hardware.totals import network_totals

    device = load_device("ultra96v2")
    design = with_choices(SMALL, weight_memory="bram")
    shut, opened = (solve(design, statistics(count), device) for count in (0.0, 4.0))
    cycles = [network_totals(design, *each).cycles for each in ((shut, statistics(0.0)), (opened, statistics(4.0)))]
    assert cycles[0] <= cycles[1]


def test_statistics_of_another_network_are_refused() -> None:
    with pytest.raises(ConfigError, match="gate statistics are of 1 gated layers"):
        solve(SMALL, GateStatistics((LayerGates("x", 0.4, {1: 1.0}),), 1))


def test_a_rate_must_be_given_for_the_smallest() -> None:
    with pytest.raises(ConfigError, match=r"accelerator\.fps"):
        solve(with_choices(SMALL, folding="smallest at fps"))


def test_an_engine_has_no_folding() -> None:
    with pytest.raises(ConfigError, match="has no folding"):
        solve(with_choices(SMALL, architecture="engine"))


def test_the_coefficients_of_a_die_reach_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    known = options.coefficients_for

    def noting(family: str, die: str = "") -> Coefficients:
        asked.append((family, die))
        return known(family, die)

    monkeypatch.setattr(options, "coefficients_for", noting)
    solve(with_choices(SMALL, feature_bits=23, constant_bits=21))
    device = load_device(SMALL.device)
    assert set(asked) == {(device.family, device.die)}
