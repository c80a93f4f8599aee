"""The fused layers of a GPU against the plain ones; without a GPU, Triton's interpreter runs the same kernels."""

import copy

import pytest
import torch

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.network import build_network
from fracdse.network.fused.launch import can_fuse
from fracdse.network.quantisers import covering_step, fixed_point

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
with pytest.MonkeyPatch.context() as early:
    if DEVICE == "cpu":
        early.setenv("TRITON_INTERPRET", "1")  # Triton decides by it when it is imported
    pytest.importorskip("triton")
    from fracdse.network.fused import kernels  # noqa: F401

# Triton's interpreter does this under NumPy 1.26.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0:DeprecationWarning")


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")


def layer_and_input(stride=1, **choices):
    torch.manual_seed(3)
    design = Design(ImageFormat(8, 8, 3, 10), NetworkChoices(**{"depth": 8, "width": 6, **choices}))
    network = build_network(design).train()
    index = next(i for i, layer in enumerate(network.layers) if layer.spec.stride == stride)
    layer = network.layers[index]
    for name, parameter in layer.named_parameters():
        if name != "weight" and not name.startswith("si."):
            torch.nn.init.normal_(parameter, 0.3, 0.4)
    x = torch.randn(2, layer.spec.in_channels, layer.spec.in_height, layer.spec.in_width)
    with torch.no_grad():  # bfloat16 holds them: the interpreter multiplies in float32
        layer.weight.copy_(layer.weight.bfloat16())
    return layer, x.bfloat16().float().contiguous(memory_format=torch.channels_last)


def results(layer, x, fused, monkeypatch):
    """Return the output, and the gradients of input and parameters for a loss that weighs every output differently."""
    layer = copy.deepcopy(layer).to(DEVICE if fused else "cpu")
    x = x.detach().to(DEVICE if fused else "cpu").requires_grad_()
    if not fused:
        monkeypatch.setenv("TRITON_INTERPRET", "0")
    assert can_fuse(x) == fused
    y = layer(x)
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y.device)
    y.backward(upstream)
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    gradients = {"x": x.grad, **{name: each.grad for name, each in layer.named_parameters()}}
    buffers = {name: each.cpu() for name, each in layer.named_buffers() if each.is_floating_point()}
    return y.detach().cpu(), {name: each.cpu() for name, each in gradients.items() if each is not None}, buffers


SLOW = pytest.mark.slow if DEVICE == "cpu" else ()


@pytest.mark.parametrize(
    ("precision", "choices"),
    [
        ("binary", {"clip_bits": 5, "power_of_two": True}),
        ("float", {}),
        pytest.param("binary", {"stride": 2, "si_width": 2}, marks=SLOW),
        pytest.param("binary", {"shortcut_bits": 4, "codebook_bits": 4}, marks=SLOW),
        pytest.param("binary", {"width": 65}, marks=SLOW),
        pytest.param("real_weights", {"stride": 2}, marks=SLOW),
        pytest.param("float", {"stride": 2, "si_width": 2, "si_interaction": "full"}, marks=SLOW),
    ],
    ids=str,
)
def test_a_fused_layer_equals_the_plain_one(precision, choices, monkeypatch):
    layer, x = layer_and_input(**choices)
    layer.precision = precision
    y, gradients, buffers = results(layer, x, True, monkeypatch)
    want, wanted_gradients, wanted_buffers = results(layer, x, False, monkeypatch)
    torch.testing.assert_close(y, want, rtol=1e-4, atol=2e-5 if precision == "binary" else 2e-2)
    assert gradients.keys() == wanted_gradients.keys()
    for name, gradient in gradients.items():
        # Rounded to eight bits on the way into a convolution; a bias before a batch norm has no gradient but rounding.
        assert (gradient - wanted_gradients[name]).norm() < 0.02 * wanted_gradients[name].norm() + 1e-3, name
    for name, buffer in buffers.items():
        torch.testing.assert_close(buffer, wanted_buffers[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("precision", ["binary", pytest.param("float", marks=SLOW)])
def test_a_fused_network_equals_the_plain_one_in_evaluation(precision, monkeypatch):
    torch.manual_seed(0)
    network = build_network(Design(ImageFormat(8, 8, 3, 10), NetworkChoices(depth=8, width=4, si_width=2)))
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    network.precision = precision
    network.train()
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with torch.no_grad():
        for _ in range(30):
            network(images)
        for layer in network.gated_layers():
            layer.rprelu.shift_in.normal_()
            layer.rprelu.shift_out.normal_()
        network.eval()
        if DEVICE == "cpu":
            monkeypatch.setenv("TRITON_INTERPRET", "1")
        fused = copy.deepcopy(network).to(DEVICE)(images.to(DEVICE)).cpu()
        monkeypatch.setenv("TRITON_INTERPRET", "0")
        plain = network(images)
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-4 if precision == "binary" else 2e-2)


@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize("largest", [0.9, 1.0, 127.0, 300.0])
def test_fused_fixed_point_equals_the_plain_one(bits, largest, monkeypatch):
    x = torch.linspace(-1, 1, 301) * largest
    x.requires_grad_()
    fused = x.detach().to(DEVICE).requires_grad_()
    step = covering_step(fused, bits)
    rounded = fixed_point(fused, step / 2, bits)  # half the step that covers it: the ends are clamped
    rounded.sum().backward()
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    assert covering_step(x, bits) == step.cpu()
    plain = fixed_point(x, step.cpu() / 2, bits)
    plain.sum().backward()
    assert torch.equal(rounded.detach().cpu(), plain.detach())
    assert torch.equal(fused.grad.cpu(), x.grad)
