from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.folding import Folding, LayerFolding
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware.cycles import chain_cycles, conv_cycles, expected_trailing_cycles
from fracdse.hardware.layers import folded_specs
from fracdse.hardware.network import network_layers
from fracdse.hardware.options import choices, divisors
from fracdse.hardware.totals import network_totals
from fracdse.topology import gated_convs

SPEC = gated_convs(Design())[0]


def test_the_prior_is_the_expected_maximum_of_binomials() -> None:
    chance, expected = 0.4, 0.0
    for gates in product((0, 1), repeat=6):
        probability = 1.0
        for gate in gates:
            probability *= chance if gate else 1 - chance
        expected += probability * max(1, *(sum(gates[lane::2]) for lane in range(2)))
    assert expected_trailing_cycles(6, 2) == pytest.approx(expected)


@given(st.integers(1, 128))
def test_trailing_cycles_lie_between_one_and_all(channels: int) -> None:
    for lanes in divisors(channels):
        assert 1 <= expected_trailing_cycles(channels, lanes) <= max(1, channels // lanes) + 1e-9


def test_more_lanes_never_take_more_cycles() -> None:
    for memory in ("logic", "lutram", "bram"):
        cycles = [
            conv_cycles(SPEC, LayerFolding("", lanes, memory, (), slices), None) for lanes, slices in choices(SPEC)
        ]
        assert cycles == sorted(cycles, reverse=True)


def test_measured_gates_take_the_place_of_the_prior() -> None:
    gates = LayerGates(SPEC.name, 0.3, {4: 2.5})
    assert conv_cycles(SPEC, LayerFolding("", 4, "bram"), gates) == 32 * 32 * (4 + 2.5) + 2 * 32
    shut = LayerGates(SPEC.name, 0.3, {4: 2.5, SPEC.out_channels: 0.75})
    assert conv_cycles(SPEC, LayerFolding("", 4, "bram"), shut) == 32 * 32 * (4 + 2.75) + 2 * 32


def test_the_stem_waits_for_a_first_layer_that_runs_its_last_row_by_itself() -> None:
    """Simulated: 616 cycles a frame, 12×12 pixels of 8 channels, 2 lanes in the stem, 8 in the first layer."""
    design = Design(ImageFormat(12, 12, 1, 4), NetworkChoices(depth=8, width=8, thermometer_resolution=64))
    specs = folded_specs(network_layers(design))
    foldings = [LayerFolding(spec.name, 8, "lutram") for spec in specs]
    foldings[0] = LayerFolding("stem", 2, "lutram")
    own = [601.0, 396.0, *[300.0] * (len(specs) - 2)]
    assert chain_cycles(specs, foldings, own) == 601 + 396 / 12 - 13 - 4


def test_a_sliced_first_layer_goes_on_with_the_next_frame_whatever_the_stem_s_pace() -> None:
    """Simulated on 8×8 pixels of 8 channels, one lane: 4,600 cycles a frame behind a slow stem, 4,463 behind a fast."""
    design = Design(ImageFormat(8, 8, 1, 4), NetworkChoices(depth=8, width=8, thermometer_resolution=16))
    specs = folded_specs(network_layers(design))
    foldings = [LayerFolding(spec.name, 1, "bram", (), 6) for spec in specs]
    foldings[0] = LayerFolding("stem", 1, "lutram", (), 9)
    others = [300.0] * (len(specs) - 2)
    assert chain_cycles(specs, foldings, [4625.0, 4493.0, *others]) == pytest.approx(4600, rel=0.01)
    assert chain_cycles(specs, foldings, [2321.0, 4493.0, *others]) == pytest.approx(4463, rel=0.01)


def test_an_unrolled_layer_takes_two_cycles_a_column() -> None:
    assert conv_cycles(SPEC, LayerFolding("", 8, "logic"), None) == 2 * 32 * 33


# Mean cycles between frames and cycles of a first frame by itself, simulated with all gates shut: 12 random images,
# ResNet-8 of width 8 on 16×16 pixels and width 4 on 8×8, weights in LUT memory, natural channel order.
SIMULATED = [
    (16, 8, {8: 2, 16: 1, 32: 1}, 1391.0, 2385),
    (16, 8, {8: 1, 16: 2, 32: 4}, 2416.0, 3206),
    (8, 4, {4: 2, 8: 1, 16: 1}, 255.8, 777),
]


@pytest.mark.parametrize(("side", "width", "lanes", "cycles", "latency"), SIMULATED)
def test_cycles_and_latency_are_those_of_simulation(
    side: int, width: int, lanes: dict[int, int], cycles: float, latency: int
) -> None:
    design = Design(ImageFormat(side, side, 3, 4), NetworkChoices(depth=8, width=width, thermometer_resolution=64))
    specs = gated_convs(design)
    folding = Folding(
        LayerFolding("stem", lanes[width], "logic"),
        tuple(LayerFolding(spec.name, lanes[spec.out_channels], "lutram") for spec in specs),
        LayerFolding("classifier", 2, "bram"),
    )
    shut = GateStatistics(tuple(LayerGates(spec.name, 0.0, {lanes[spec.out_channels]: 0.0}) for spec in specs), 12)
    totals = network_totals(design, folding, shut)
    assert totals.cycles == pytest.approx(cycles, rel=0.02)
    assert totals.latency == pytest.approx(latency, rel=0.03)
