"""The fused layers of a GPU against the plain ones; without a GPU, Triton's interpreter runs the same kernels."""

import copy

import pytest
import torch

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.network import build_network
from fracdse.network.fused.attention import can_fuse_attention
from fracdse.network.fused.launch import can_fuse
from fracdse.training.losses import block_distance

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
    # The interpreter cuts off what does not fit into bfloat16 where a GPU rounds: means of real sums are off by it.
    cut = DEVICE == "cpu" and precision != "binary"
    for name, buffer in buffers.items():
        wanted = wanted_buffers[name]
        torch.testing.assert_close(buffer, wanted, rtol=5e-3 if cut else 1e-3, atol=5e-3 if cut else 1e-4, msg=name)


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
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-4 if precision == "binary" else 5e-2)


@pytest.mark.parametrize(
    ("choices", "stride"),
    [
        ({"si_width": 3}, 1),
        ({"si_width": 3, "si_bits": 2}, 2),
        pytest.param({"si_width": 5, "si_interaction": "full"}, 2, marks=SLOW),
        pytest.param({"si_width": 20, "si_interaction": "full", "width": 70}, 1, marks=SLOW),
        pytest.param({"si_width": 2, "width": 70, "si_bits": 4}, 2, marks=SLOW),
    ],
    ids=str,
)
@pytest.mark.parametrize("quantised", [True, False])
def test_a_fused_branch_equals_the_plain_one(choices, stride, quantised, monkeypatch):
    layer, x = layer_and_input(stride, **choices)
    branch = layer.si
    with torch.no_grad():
        for bias in (branch.squeeze_bias, branch.expand_bias):
            bias.normal_(0, 0.1)
        if not quantised:  # the interpreter multiplies in float32
            for weight in (branch.squeeze, branch.interaction, branch.expand):
                weight.copy_(weight.bfloat16())
    fused, plain = (run_branch(branch, layer._shortcut, x, quantised, on, monkeypatch) for on in (True, False))
    for name, want in plain.items():
        tolerance = 1e-4 if DEVICE == "cpu" or (quantised and "gradient" not in name) else 2e-2
        torch.testing.assert_close(fused[name], want, rtol=tolerance, atol=tolerance, msg=name)


def run_branch(branch, shortcut, x, quantised, fused, monkeypatch):
    """Return what two batches in training, the second so large that it is clamped, and one in evaluation leave."""
    branch = copy.deepcopy(branch).to(DEVICE if fused else "cpu").train()
    if not fused:
        monkeypatch.setenv("TRITON_INTERPRET", "0")
    found = {}
    for size in (1, 3):
        branch.zero_grad()
        own = (size * x).to(DEVICE if fused else "cpu").requires_grad_()
        assert can_fuse(own) == fused
        base = shortcut(own)
        y = branch(own, base, quantised)
        y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(5)).to(y.device))
        found[f"y {size}"], found[f"gradient of x {size}"] = y.detach(), own.grad
        found |= {f"gradient of {name} {size}": each.grad for name, each in branch.named_parameters()}
    found |= dict(branch.named_buffers())
    with torch.no_grad():
        found["y in evaluation"] = branch.eval()(own, shortcut(own), quantised)
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    return {name: each.cpu() for name, each in found.items()}


def test_a_fused_attention_distance_equals_the_plain_one(monkeypatch):
    torch.manual_seed(1)
    x, target = torch.randn(3, 5, 4, 6), torch.randn(3, 7, 4, 6)
    x[0] = 0  # nowhere any power
    x[1, :, 2, 3] = x[1, :, 0, 1] = 4  # two pixels share the maximum
    found = []
    for device in (DEVICE, "cpu"):
        if len(found) == 1:
            monkeypatch.setenv("TRITON_INTERPRET", "0")
        own = x.to(device).contiguous(memory_format=torch.channels_last).requires_grad_()
        assert can_fuse_attention(own, target.to(device)) == (not found)
        distance = block_distance("attention", own, target.to(device))
        (3 * distance).backward()
        found.append((distance.detach().cpu(), own.grad.cpu()))
    torch.testing.assert_close(*found)
