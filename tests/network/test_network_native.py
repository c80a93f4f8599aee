import shutil
from pathlib import Path

import pytest
import torch

from fracdse.network import batch_norm, exact_conv, fractional_conv, rprelu
from fracdse.network.native import kernels_for
from fracdse.network.native.library import load_library
from fracdse.network.quantisers import sign_weight

needs_kernels = pytest.mark.skipif(
    shutil.which("cc") is None or exact_conv.fast_type("cpu") != torch.bfloat16,
    reason="needs a C compiler and a processor with bfloat16",
)


def a_map(channels, seed, count=4, size=9):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, channels, size, size, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def gated(channels):
    x, weight, threshold = a_map(channels, 0), a_map(channels, 1, 7, 3), torch.linspace(-1, 4, 7)
    for each in (x, weight, threshold):
        each.requires_grad_()
    out, gates = fractional_conv.fractional_conv2d(x, sign_weight(weight), threshold, 1, binary=True, keep_gates=True)
    return [out, gates, *torch.autograd.grad(out, (x, weight, threshold), a_map(7, 2))]


def normed(rounded):
    x, weight, bias = a_map(6, 0), torch.linspace(0.5, 2, 6), torch.zeros(6)
    for each in (x, weight, bias):
        each.requires_grad_()
    out, mean, variance = batch_norm.batch_norm(x, weight, bias, 1e-5, rounded=rounded)
    return [out, mean, variance, *torch.autograd.grad(out, (x, weight, bias), a_map(6, 2))]


def activated(factor):
    x, slope, base = a_map(6, 0), torch.linspace(-1, 1, 6), a_map(6, 1)
    for each in (x, slope, base):
        each.requires_grad_()
    out = rprelu.prelu_onto(x, slope, base, factor)
    return [out, *torch.autograd.grad(out, (x, slope, base), a_map(6, 2))]


@needs_kernels
@pytest.mark.parametrize(
    ("function", "argument"),
    [(gated, 3), (gated, 16), (gated, 64), (normed, False), (normed, True), (activated, 1.0), (activated, 0.2)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize(("threads", "row_elements"), [(1, 1), (1, 256), (2, 256)])
def test_kernels_and_torch_compute_the_same(function, argument, threads, row_elements, monkeypatch):
    assert kernels_for(a_map(3, 0)) is not None
    torch.set_num_threads(threads)
    monkeypatch.setattr("fracdse.network.native.kernels._ROW_ELEMENTS", row_elements)
    monkeypatch.setattr("fracdse.network.native.kernels._ELEMENTS_A_THREAD", 100)
    fused = function(argument)
    for module in (batch_norm, fractional_conv, rprelu):
        monkeypatch.setattr(module, "kernels_for", lambda *maps: None)
    plain = function(argument)
    for got, want in zip(fused, plain, strict=True):
        # A gradient next to a rounding edge of bfloat16 may fall on its other side.
        error = (got.double() - want.double()).norm()
        assert error <= 2e-3 * want.double().norm() + 1e-6


@needs_kernels
def test_affine_is_the_same_without_gradients():
    x, scale, shift = a_map(6, 0), torch.linspace(-2, 2, 6), torch.linspace(1, 3, 6)
    with torch.no_grad():
        fused = batch_norm.affine(x, scale, shift)
    torch.testing.assert_close(fused, x * scale[:, None, None] + shift[:, None, None])


@needs_kernels
def test_kernels_compute_with_the_threads_of_torch():
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    load_library()
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()} - mapped
    assert not [path for path in loaded if "omp" in Path(path).name]


@needs_kernels
def test_batch_norm_equals_torchs():
    x, weight, bias = a_map(6, 0), torch.linspace(0.5, 2, 6), torch.linspace(-1, 1, 6)
    for each in (x, weight, bias):
        each.requires_grad_()
    out, mean, _ = batch_norm.batch_norm(x, weight, bias, 1e-5, rounded=False)
    want = torch.nn.functional.batch_norm(x, None, None, weight, bias, True, 0.1, 1e-5)
    torch.testing.assert_close(out, want, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(mean, x.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    upstream = a_map(6, 3)
    for got, expected in zip(
        torch.autograd.grad(out, (x, weight, bias), upstream),
        torch.autograd.grad(want, (x, weight, bias), upstream),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_maps_that_kernels_cannot_take():
    assert kernels_for(a_map(3, 0).double()) is None
    assert kernels_for(torch.zeros(2, 3, 4, 4)) is None


def test_kernels_can_be_switched_off(monkeypatch):
    load_library.cache_clear()
    monkeypatch.setenv("FRACDSE_NATIVE", "0")
    assert load_library() is None
    load_library.cache_clear()


def test_no_compiler_is_no_obstacle(monkeypatch, tmp_path):
    load_library.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", str(tmp_path / "no-such-compiler"))
    assert load_library() is None
    load_library.cache_clear()
