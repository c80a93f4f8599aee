from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.folding import Folding, LayerFolding
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.estimate import estimate, estimate_many, layer_figures
from fracdse.hardware.folding import solve
from fracdse.hardware.options import divisors
from fracdse.hardware.totals import network_totals
from fracdse.hardware.units.gated_conv import gated_conv_terms
from fracdse.memories import bram18

SMALL = Design(image=ImageFormat(16, 16, 3, 10), network=NetworkChoices(depth=8, width=8))


def test_cycles_of_the_reference_folding() -> None:
    """Golden: FracBNN's ResNet-20 with 8/4/2 lanes and weights in block RAM, gates as the prior says."""
    design = Design(accelerator=AcceleratorChoices(feature_bits=16, constant_bits=16))
    folding = solve(design)
    lanes = (8,) * 6 + (4,) * 6 + (2,) * 6
    convs = tuple(LayerFolding(c.name, n, "bram") for c, n in zip(folding.convs, lanes, strict=True))
    reference = Folding(LayerFolding("stem", 8, "logic"), convs, LayerFolding("classifier", 1, "bram"))
    assert network_totals(design, reference).cycles == pytest.approx(4624.952, abs=0.01)
    figures = estimate(design, folding=reference)
    assert (figures.bram18.value, figures.dsp.value) == (579, 85)


def test_layers_add_up_to_the_whole() -> None:
    folding = solve(SMALL)
    layers, figures = layer_figures(SMALL, folding=folding), estimate(SMALL, folding=folding)
    assert sum(layer.lut for layer in layers) == pytest.approx(figures.lut.value)
    assert sum(layer.bram18 for layer in layers) == figures.bram18.value
    slowest = max(layer.cycles for layer in layers)
    assert slowest <= figures.cycles_per_frame.value <= slowest * 17 / 16  # a row of the unrolled first layer by itself
    assert layers[-1].name == "system"


def test_many_designs_get_the_figures_that_each_gets_alone() -> None:
    designs = [replace(SMALL, network=replace(SMALL.network, width=width)) for width in (4, 8, 4)]
    assert estimate_many(designs) == [estimate(design) for design in designs]


def test_exact_figures_have_no_interval_and_fitted_ones_do() -> None:
    figures = estimate(SMALL)
    assert figures.bram18.low == figures.bram18.value == figures.bram18.high
    assert figures.lut.low < figures.lut.value < figures.lut.high
    assert figures.power_w.low < figures.power_w.value < figures.power_w.high
    assert {figure.kind for _, figure in figures.items()} == {"estimated"}


def test_power_of_two_scales_need_no_multiplier() -> None:
    design = replace(SMALL, network=replace(SMALL.network, power_of_two=True))
    assert estimate(design).dsp.value == 0


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="device = 'ultra97' is not known"):
        estimate(replace(SMALL, device="ultra97"))


TREES = ("stored_tree", "constant_stored_tree", "block_tree")

geometry = {
    "in_channels": st.sampled_from([4, 8, 16, 24]),
    "out_channels": st.sampled_from([8, 16, 24, 48]),
    "kernel": st.sampled_from([1, 3]),
    "stride": st.sampled_from([1, 2]),
}


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(geometry), st.sampled_from(["lutram", "bram"]))
def test_more_lanes_never_need_fewer_luts(spec: dict[str, int], memory: str) -> None:
    figures = [
        gated_conv_terms(**spec, width=32, height=32, lanes=lanes, memory=memory)  # type: ignore[arg-type]
        for lanes in divisors(spec["out_channels"])
    ]
    trees = [sum(figure.lut[name] for name in TREES) for figure in figures]
    assert trees == sorted(trees)
    # Tables of four weights and fewer share their bits, and long queues take deeper memories: both save a little.
    luts = [coefficients_for("xcup").predict(figure, "lut") for figure in figures]
    assert all(more >= 0.85 * fewer for fewer, more in pairwise(luts))
    blocks = [figure.bram18 for figure in figures]
    if spec["kernel"] == 1:
        blocks.pop()  # a lane's single word is a constant
    assert blocks == sorted(blocks)


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(geometry), st.data())
def test_moving_weights_never_changes_the_bits_stored(spec: dict[str, int], data: st.DataObject) -> None:
    """Every memory holds at least the layer's weights, and block RAM is what holding them by lanes takes."""
    lanes = data.draw(st.sampled_from(divisors(spec["out_channels"])))
    taps, steps = spec["in_channels"] * spec["kernel"] ** 2, spec["out_channels"] // lanes
    kinds = {
        m: gated_conv_terms(**spec, width=32, height=32, lanes=lanes, memory=m)  # type: ignore[arg-type]
        for m in ("logic", "lutram", "bram", "mixed")
    }
    assert kinds["logic"].bram18 == kinds["lutram"].bram18 == 0
    assert kinds["mixed"].bram18 <= kinds["bram"].bram18
    if steps == 1 and spec["kernel"] == 1:  # a single word is a constant
        assert kinds["bram"].bram18 == 0
        return
    assert kinds["bram"].bram18 >= lanes * bram18(taps, steps)
    assert kinds["bram"].bram18 * 18 * 1024 >= taps * spec["out_channels"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([8, 14, 20]),
    st.sampled_from([4, 8, 12, 16]),
    st.sampled_from([4, 8, 32]),
    st.sampled_from(["ultra96v2", "pynq-z2", "kv260", "zcu104"]),
)
def test_every_small_design_has_figures(depth: int, width: int, resolution: int, device: str) -> None:
    design = Design(
        ImageFormat(32, 32, 3, 10),
        NetworkChoices(depth=depth, width=width, thermometer_resolution=resolution),
        AcceleratorChoices(folding="smallest at fps", fps=500.0),
        device,
    )
    figures = estimate(design)
    assert figures.fps.value >= 500
    assert all(figure.low <= figure.value <= figure.high for _, figure in figures.items())
