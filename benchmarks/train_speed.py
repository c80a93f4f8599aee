"""Compare the speed of training and evaluation with a straightforward implementation, side by side in one run.

    python benchmarks/train_speed.py [--device auto] [--batch 128] [--threads 2] [--rounds 5] [--json FILE]

Both compute FracBNN's ResNet-20 on 32×32 images from the same parameters. Before anything is timed, outputs, gates and
gradients are compared, layer by layer. Each is then measured by itself in a process of its own, which also tells its
peak memory; the processes take turns, so that other load on the machine hits both. Ours is measured as `fracdse train`
and `fracdse evaluate` run it: shuffling, augmentation, losses and the optimiser included. Speeds are by the clock on
the wall; `CPU` is the speed-up in processor time, which other load disturbs less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_fracbnn import PlainNetwork, plain_fractional_conv, plain_step
from torch import Tensor

from fracdse.design import Design
from fracdse.network import FractionalNetwork, build_network
from fracdse.network.fractional_conv import fractional_conv2d
from fracdse.network.quantisers import sign_weight
from fracdse.training import Recipe, evaluate
from fracdse.training.data import Dataset
from fracdse.training.device import computing_device
from fracdse.training.phases import phases_of
from fracdse.training.run import TrainingRun

NAMES = ("straightforward", "fracdse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = computing_device(options.device)
    equal = compare(new_network(device), random_images(options.batch, 32).images, device)
    rows = measure(options.batch, options.threads, device.type, options.rounds)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {options.threads} threads"
    result = {"batch": options.batch, "device": name, "torch": torch.__version__, **equal, "rows": rows}
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def new_network(device: torch.device) -> FractionalNetwork:
    torch.manual_seed(0)
    return build_network(Design()).to(device, memory_format=torch.channels_last)


def random_images(batch: int, batches: int) -> Dataset:
    generator = np.random.default_rng(0)
    count = batch * batches
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Dataset(images, generator.integers(0, 10, count), tuple("abcdefghij"))


def compare(network: FractionalNetwork, pixels: np.ndarray, device: torch.device) -> dict[str, float]:
    """Compare every gated convolution on the activations that it really sees.

    Returns:
        The share of gates that differ, the largest difference of outputs, and the largest difference of gradients (of
        activations, weights and thresholds) relative to their norm: gradients enter convolutions rounded to bfloat16.
    """
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
    network = network.train()
    inputs: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0])) for layer in network.layers]
    with torch.no_grad():
        network(images[:32])
    torch.backends.cudnn.allow_tf32 = False
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


def measure(batch: int, threads: int, device: str, rounds: int) -> list[dict[str, Any]]:
    """Time both implementations in processes of their own that take turns."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    for name in NAMES:
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(theirs, name, batch, threads, device), daemon=True).start()
        pipes.append(ours)
    rows = []
    for what in ("train", "evaluate"):
        times: list[list[dict[str, float]]] = [[], []]
        for round_number in range(rounds + 1):
            for pipe, seen in zip(pipes, times, strict=True):
                pipe.send(what)
                answer = pipe.recv()
                if round_number:  # the first warms up
                    seen.append(answer)
        middle = [
            {key: statistics.median(each[key] for each in seen) for key in ("wall", "cpu", "peak")} for seen in times
        ]
        rows += [
            {
                "what": what,
                "implementation": name,
                "images_per_s": 1 / own["wall"],
                "speed_up": middle[0]["wall"] / own["wall"],
                "cpu_speed_up": middle[0]["cpu"] / own["cpu"],
                "peak_mib": own["peak"],
            }
            for name, own in zip(NAMES, middle, strict=True)
        ]
    for pipe in pipes:
        pipe.send(None)
    return rows


def work(pipe: Connection, name: str, batch: int, threads: int, device_name: str) -> None:
    """Answer each 'train' or 'evaluate' with the seconds an image, by both clocks, and the peak memory in MiB."""
    torch.set_num_threads(threads)
    device = computing_device(device_name)
    data = random_images(batch, 4 if device.type == "cpu" else 200)
    functions = (plain_functions if name == NAMES[0] else our_functions)(data, batch, device)
    while (what := pipe.recv()) is not None:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
        start, cpu_start = time.perf_counter(), time.process_time()
        functions[what]()
        if device.type == "cuda":
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        pipe.send({"wall": wall / len(data), "cpu": cpu / len(data), "peak": peak_mib(device)})


def plain_functions(data: Dataset, batch: int, device: torch.device) -> dict[str, Callable[[], None]]:
    network = PlainNetwork(new_network(device).to(memory_format=torch.contiguous_format))
    optimiser = torch.optim.Adam(network.parameters())
    images = torch.from_numpy(data.images).to(device).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(data.labels).to(device)

    def train() -> None:
        network.train()
        for part, truth in zip(images.split(batch), labels.split(batch), strict=True):
            plain_step(network, optimiser, part, truth)

    @torch.inference_mode()
    def run() -> None:
        network.eval()
        torch.cat([network(part) for part in images.split(batch)]).cpu()

    return {"train": train, "evaluate": run}


def our_functions(data: Dataset, batch: int, device: torch.device) -> dict[str, Callable[[], None]]:
    recipe = Recipe(epochs=1000, real_epochs=0, batch_size=batch)
    run = TrainingRun(Design(), data, recipe, phases_of(recipe), 0, "speed", device=device)
    return {
        "train": lambda: run.train_epoch(None) and None,
        "evaluate": lambda: evaluate(run.network, data, batch=batch, gate_images=0) and None,
    }


def peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def print_table(result: dict[str, Any]) -> None:
    print(f"FracBNN ResNet-20, 32×32, batch {result['batch']}, {result['device']}, torch {result['torch']}")
    print(f"{'':10} {'implementation':16} {'images/s':>9} {'speed-up':>9} {'CPU':>7} {'peak MiB':>9}")
    for row in result["rows"]:
        speeds = f"{row['images_per_s']:9.0f} {row['speed_up']:8.2f}× {row['cpu_speed_up']:6.2f}×"
        print(f"{row['what']:10} {row['implementation']:16} {speeds} {row['peak_mib']:9.0f}")
    print(
        f"gates that differ {result['gates_that_differ']:.1e}; largest difference of outputs "
        f"{result['output_difference']:.1e}, of gradients {result['relative_gradient_difference']:.1e} of their norm"
    )


if __name__ == "__main__":
    main()
