from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import Design
from fracdse.folding import LayerFolding
from fracdse.gates import LayerGates
from fracdse.hardware.cycles import conv_cycles, expected_trailing_cycles
from fracdse.hardware.options import choices, divisors
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


def test_an_unrolled_layer_takes_two_cycles_a_column() -> None:
    assert conv_cycles(SPEC, LayerFolding("", 8, "logic"), None) == 2 * 32 * 33
