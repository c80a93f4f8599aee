"""Compare the speed of training and evaluation with a straightforward implementation, side by side in one run.

    python benchmarks/train_speed.py [--batch 128] [--threads 2] [--rounds 5] [--json FILE]

Both compute FracBNN's ResNet-20 on 32×32 images from the same parameters. Before anything is timed, outputs, gates and
gradients are compared, layer by layer. The two take turns, so that other load on the machine hits both. Speeds are by
the clock on the wall; `CPU` is the speed-up in processor time, which other load disturbs less.
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from plain_fracbnn import PlainNetwork, plain_fractional_conv, plain_step
from torch import Tensor
from torch.nn.functional import cross_entropy

from fracdse.design import Design
from fracdse.network import FractionalNetwork, build_network
from fracdse.network.fractional_conv import fractional_conv2d
from fracdse.network.quantisers import sign_weight
from fracdse.training.losses import threshold_loss
from fracdse.training.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    network = build_network(Design())
    images = torch.randint(0, 256, (options.batch, 32, 32, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    labels = torch.randint(0, 10, (options.batch,))
    warm_up(network, images)
    equal = compare(network, images)
    rows = measure(network, images, labels, options.rounds)
    result = {"batch": options.batch, "threads": options.threads, "torch": torch.__version__, **equal, "rows": rows}
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def warm_up(network: FractionalNetwork, images: Tensor) -> None:
    """Give the batch norms statistics, so that evaluation computes something like a trained network."""
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(images)


def compare(network: FractionalNetwork, images: Tensor) -> dict[str, float]:
    """Compare every gated convolution on the activations that it really sees.

    Returns:
        The share of gates that differ, the largest difference of outputs, and the largest difference of gradients (of
        activations, weights and thresholds) relative to their norm: gradients enter convolutions rounded to bfloat16.
    """
    network = copy.deepcopy(network).train()
    inputs: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0])) for layer in network.layers]
    with torch.no_grad():
        network(images[:32])
    for hook in hooks:
        hook.remove()
    gates = outputs = gradients = 0.0
    for layer, x in zip(network.gated_layers(), inputs, strict=True):
        leaves = (x.detach().requires_grad_(), layer.weight, layer.threshold)
        stride = layer.spec.stride
        ours, opened = fractional_conv2d(
            leaves[0], sign_weight(leaves[1]), leaves[2], stride, binary=True, keep_gates=True
        )
        plain, plain_opened = plain_fractional_conv(*leaves, stride)
        upstream = torch.randn_like(plain)
        pairs = zip(
            torch.autograd.grad(ours, leaves, upstream), torch.autograd.grad(plain, leaves, upstream), strict=True
        )
        gates = max(gates, float((opened != (plain_opened > 0)).float().mean()))
        outputs = max(outputs, float((ours - plain).detach().abs().max()))
        gradients = max(gradients, *(float((one - other).norm() / other.norm()) for one, other in pairs))
    return {"gates_that_differ": gates, "output_difference": outputs, "relative_gradient_difference": gradients}


def measure(network: FractionalNetwork, images: Tensor, labels: Tensor, rounds: int) -> list[dict[str, Any]]:
    ours, plain = copy.deepcopy(network), PlainNetwork(copy.deepcopy(network))
    ours.to(memory_format=torch.channels_last)
    plain_images = images.contiguous()
    ours_optimiser = torch.optim.Adam(ours.parameters(), fused=True)
    plain_optimiser = torch.optim.Adam(plain.parameters())

    def our_step() -> None:
        loss = cross_entropy(ours(images), labels) + threshold_loss(ours, 1e-5)
        ours_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        ours_optimiser.step()

    plain.train(), ours.train()
    train = take_turns(lambda: plain_step(plain, plain_optimiser, plain_images, labels), our_step, rounds)
    plain.eval(), ours.eval()
    with torch.inference_mode():
        evaluation = take_turns(lambda: plain(plain_images), lambda: ours(images), rounds)
    return [
        {
            "what": what,
            "implementation": name,
            "images_per_s": len(labels) / wall,
            "speed_up": times[0][0] / wall,
            "cpu_speed_up": times[0][1] / cpu,
        }
        for what, times in (("train", train), ("evaluate", evaluation))
        for name, (wall, cpu) in zip(("straightforward", "fracdse"), times, strict=True)
    ]


def take_turns(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> list[tuple[float, float]]:
    """Return the median wall and processor seconds of each of two functions that run alternately."""
    first(), second(), second()
    walls: tuple[list[float], list[float]] = ([], [])
    cpus: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, wall, cpu in zip((first, second), walls, cpus, strict=True):
            start, cpu_start = time.perf_counter(), time.process_time()
            function()
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
    return [(statistics.median(wall), statistics.median(cpu)) for wall, cpu in zip(walls, cpus, strict=True)]


def print_table(result: dict[str, Any]) -> None:
    print(f"FracBNN ResNet-20, 32×32, batch {result['batch']}, {result['threads']} threads, torch {result['torch']}")
    print(f"{'':10} {'implementation':16} {'images/s':>9} {'speed-up':>9} {'CPU':>7}")
    for row in result["rows"]:
        speeds = f"{row['images_per_s']:9.0f} {row['speed_up']:8.2f}× {row['cpu_speed_up']:6.2f}×"
        print(f"{row['what']:10} {row['implementation']:16} {speeds}")
    print(
        f"gates that differ {result['gates_that_differ']:.1e}; largest difference of outputs "
        f"{result['output_difference']:.1e}, of gradients {result['relative_gradient_difference']:.1e} of their norm"
    )
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
