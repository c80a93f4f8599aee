from dataclasses import replace

import pytest
import torch

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError, ProgramError
from fracdse.network import build_network, export_parameters
from fracdse.network.shares import si_share, si_warning
from fracdse.topology import gated_convs

SMALL = Design(ImageFormat(16, 16, 3, 5), NetworkChoices(depth=8, width=4, thermometer_resolution=32))
TECHNIQUES = [
    {},
    {"si_width": 2},
    {"si_width": 2, "si_interaction": "full"},
    {"shortcut_bits": 4},
    {"elastic_link": True},
    {"power_of_two": True},
    {"batch_norm": False},
    {"clip_bits": 6},
    {"codebook_bits": 4},
]


def with_choices(**choices):
    return replace(SMALL, network=replace(SMALL.network, **choices))


def some_images(design, count=4):
    image = design.image
    generator = torch.Generator().manual_seed(0)
    size = (count, image.height, image.width, image.colours)
    return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8).permute(0, 3, 1, 2)


@pytest.mark.parametrize("choices", TECHNIQUES, ids=str)
@pytest.mark.parametrize("precision", ["float", "real_weights", "binary"])
def test_every_technique_trains_at_every_precision(choices, precision):
    torch.manual_seed(0)
    network = build_network(with_choices(**choices), precision=precision)
    logits, blocks = network.forward_with_blocks(some_images(SMALL))
    assert logits.shape == (4, 5)
    assert [tuple(block.shape[1:]) for block in blocks] == [(4, 16, 16), (8, 8, 8), (16, 4, 4)]
    logits.square().sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
    assert network.layers[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("body", ["mobilenet", "resnet18"])
def test_bodies_for_large_images(body):
    design = Design(
        ImageFormat(64, 64, 3, 7), NetworkChoices(body=body, width=4, thermometer_resolution=64, shortcut_bits=4)
    )
    network = build_network(design).eval()
    with torch.no_grad():
        assert network(some_images(design, 2)).shape == (2, 7)


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_depth_counts_layers(depth):
    design = Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=depth, width=2))
    assert len(build_network(design).layers) == depth - 2


def test_the_default_design_has_fracbnns_size():
    network = build_network(Design())
    weights = [network.stem.weight, *(layer.weight for layer in network.gated_layers())]
    assert sum(weight.numel() for weight in weights) == 281_088


def test_an_image_that_the_strides_do_not_divide():
    with pytest.raises(ConfigError, match="does not divide"):
        build_network(Design(ImageFormat(30, 30, 3, 10)))


def test_codebook_limits_the_kernels_of_a_layer():
    network = build_network(with_choices(codebook_bits=3))
    for layer in export_parameters(network).convs:
        assert len({tuple(kernel) for kernel in layer.weight.reshape(-1, 9).tolist()}) <= 8


def test_clipped_sums_stay_in_their_word():
    network = build_network(with_choices(clip_bits=4)).eval()
    layer = network.layers[1]
    out = layer._convolve(torch.randn(2, 4, 16, 16))
    assert (out * 3).round().min() >= -8
    assert (out * 3).round().max() <= 7


def test_power_of_two_scales_and_slopes():
    parameters = export_parameters(build_network(with_choices(power_of_two=True)))
    for layer in parameters.convs:
        for values in (layer.norm_conv.scale, layer.norm_out.scale, layer.slope):
            exponents = torch.from_numpy(values).abs().log2()
            assert torch.equal(exponents, exponents.round())


@pytest.mark.parametrize("precision", ["float", "real_weights"])
def test_only_binary_networks_are_exported(precision):
    with pytest.raises(ProgramError, match=f"precision is '{precision}'; only a 'binary' one"):
        export_parameters(build_network(SMALL, precision=precision))


def test_si_weights_are_on_their_grids_and_steps_are_powers_of_two():
    network = build_network(with_choices(si_width=2, si_bits=4))
    network(some_images(SMALL))
    for layer in export_parameters(network).convs:
        assert layer.si is not None
        for step in (layer.si.input_step, layer.si.squeeze_step, layer.si.interaction_step):
            assert torch.tensor(step).log2().item().is_integer()
        for weight in (layer.si.squeeze, layer.si.interaction, layer.si.expand):
            assert len(set(weight.flatten().tolist())) <= 16


def test_si_share_counts_parameters_and_bits():
    design = with_choices(si_width=1)
    share = si_share(design)
    module = build_network(design)
    si = sum(p.numel() for layer in module.gated_layers() for p in layer.si.parameters())
    everything = sum(p.numel() for p in module.parameters())
    assert share.parameters == pytest.approx(si / everything)
    assert share.bits > share.parameters
    assert si_share(SMALL).parameters == 0


def test_si_warning_above_a_tenth():
    assert si_warning(replace(Design(), network=NetworkChoices(si_width=2))) == ""
    assert "of the parameters" in si_warning(with_choices(si_width=16))


def test_running_mean_follows_the_shift_before_a_norm():
    torch.manual_seed(0)
    layer = build_network(SMALL).layers[0]
    with torch.no_grad():
        layer.rprelu.shift_out.fill_(3.0)
        for _ in range(60):
            layer(torch.randn(8, 4, 16, 16))
        trained = layer(x := torch.randn(64, 4, 16, 16))
        evaluated = layer.eval()(x)
    assert (trained - evaluated).abs().mean() < 0.1


def test_gates_are_observed_by_layer():
    network = build_network(SMALL).eval()
    seen = {}
    with torch.no_grad(), network.observed_gates(lambda name, gates: seen.__setitem__(name, gates)):
        network(some_images(SMALL))
    assert list(seen) == [spec.name for spec in gated_convs(SMALL)]
    assert all(gates.dtype == torch.bool for gates in seen.values())
