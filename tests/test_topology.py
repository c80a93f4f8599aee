"""The layers of the bodies, against what the papers say of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.topology import ClassifierSpec, GatedConvSpec, PoolSpec, StemSpec, gated_convs, topology

IMAGENET = ImageFormat(224, 224, 3, 1000)


def stem_of(design: Design) -> StemSpec:
    stem = topology(design)[0]
    assert isinstance(stem, StemSpec)
    return stem


def test_fracbnn_resnet20_has_the_published_weights_and_products() -> None:
    design = Design()
    stem, convs = stem_of(design), gated_convs(design)
    assert stem.in_channels == 96
    assert len(convs) == 18
    weights = stem.out_channels * stem.in_channels * 9 + sum(conv.out_channels * conv.fan_in for conv in convs)
    assert weights == 281_088
    stem_products = stem.out_height * stem.out_width * stem.out_channels * stem.in_channels * 9
    products = sum(conv.out_height * conv.out_width * conv.out_channels * conv.fan_in for conv in convs)
    assert round(stem_products / 1e6, 1) == 14.2
    assert round((stem_products + products) / 1e6, 1) == 54.3


def test_fracbnn_imagenet_body_has_the_published_weights() -> None:
    design = Design(IMAGENET, NetworkChoices(body="mobilenet", width=32, shortcut_bits=4))
    weights = sum(conv.out_channels * conv.fan_in for conv in gated_convs(design)) + 32 * 96 * 9
    assert round(weights / 1e6, 1) == 28.3
    assert topology(design)[-2:] == (PoolSpec("pool", 1024, 7, 7), ClassifierSpec("classifier", 1024, 1000))


@pytest.mark.parametrize(("body", "convs"), [("resnet18", 16), ("resnet34", 32)])
def test_imagenet_residual_bodies_end_at_seven_by_seven(body: Any, convs: int) -> None:
    design = Design(IMAGENET, NetworkChoices(body=body, width=64))
    assert len(gated_convs(design)) == convs
    assert topology(design)[-2] == PoolSpec("pool", 512, 7, 7)


@given(
    st.sampled_from(["resnet", "resnet18", "resnet34", "mobilenet"]),
    st.sampled_from([8, 14, 20, 32, 44, 56]),
    st.integers(1, 32),
    st.sampled_from([32, 64, 128]),
    st.sampled_from([1, 3]),
    st.integers(0, 8),
)
def test_layers_fit_together(body: Any, depth: int, width: int, size: int, colours: int, si_width: int) -> None:
    design = Design(
        ImageFormat(size, size, colours, 10), NetworkChoices(body=body, depth=depth, width=width, si_width=si_width)
    )
    layers = topology(design)
    before: StemSpec | GatedConvSpec = stem_of(design)
    for layer in layers[1:-2]:
        assert isinstance(layer, GatedConvSpec)
        assert layer.in_channels == before.out_channels
        assert (layer.in_height, layer.in_width) == (before.out_height, before.out_width)
        assert layer.out_channels == layer.in_channels * layer.expansion
        assert (layer.si is not None) == (si_width > 0)
        before = layer
    assert layers[-2] == PoolSpec("pool", before.out_channels, before.out_height, before.out_width)
    assert len({layer.name for layer in layers}) == len(layers)


@pytest.mark.parametrize(("body", "side"), [("resnet", 4), ("resnet18", 32), ("resnet34", 32), ("mobilenet", 32)])
def test_images_that_fit_a_body_are_named(body: Any, side: int) -> None:
    with pytest.raises(ConfigError, match="does not divide") as caught:
        topology(Design(ImageFormat(side + 6, side + 6), NetworkChoices(body=body)))
    assert f"a multiple of {side} for '{body}'" in caught.value.hint
    topology(Design(ImageFormat(side, 3 * side), NetworkChoices(body=body)))


@pytest.mark.parametrize(
    ("image", "network", "message"),
    [
        (ImageFormat(30, 30), NetworkChoices(), "stride 2 of layer stage3.block0.conv1 does not divide its 15×15"),
        (ImageFormat(), NetworkChoices(depth=21), "network.depth = 21 is out of range; allowed: 6·n"),
        (ImageFormat(), NetworkChoices(depth=2), "network.depth = 2"),
        (ImageFormat(), NetworkChoices(depth=1208), "network.depth = 1208 is out of range; allowed: .* 8 to 1202"),
        (ImageFormat(), NetworkChoices(width=0), "network.width = 0"),
        (ImageFormat(), NetworkChoices(thermometer_resolution=256), "thermometer_resolution = 256"),
        (ImageFormat(colours=4), NetworkChoices(), "image.colours = 4"),
        (ImageFormat(classes=1), NetworkChoices(), "image.classes = 1"),
        (ImageFormat(), NetworkChoices(gate_threshold=float("nan")), "gate_threshold = nan"),
        (ImageFormat(16, 16), NetworkChoices(body="mobilenet"), "does not divide"),
    ],
)
def test_what_cannot_be_built_is_named(image: ImageFormat, network: NetworkChoices, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        topology(Design(image, network))
