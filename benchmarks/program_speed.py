"""Measure how fast integer programs run in NumPy, beside the same arithmetic written plainly.

Run `python benchmarks/program_speed.py [--program FILE] [--images 512] [--threads 2] [--json FILE]`. Without a program
it takes the untrained ResNet-20 (widths 16/32/64, resolution 8); speed does not depend on the values of its parameters.
The plain form convolves leading and trailing bits one after the other with int64 arithmetic, a tap at a time.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.design import Design
from fracdse.program import Executor, Program, load_program, lower
from fracdse.program.float_reference import thermometer
from fracdse.program.model import GatedConvProgram
from fracdse.topology import StemSpec, topology

Images = NDArray[np.uint8]
IMAGES_PER_S = 200.0


def untrained(seed: int = 0) -> Program:
    import torch

    from fracdse.network import build_network, export_parameters

    torch.manual_seed(seed)
    return lower(export_parameters(build_network(Design()).eval()), images_of(Design(), 32))


def images_of(design: Design, count: int) -> NDArray[np.uint8]:
    image = design.image
    return np.random.default_rng(0).integers(0, 256, (count, image.height, image.width, image.colours), np.uint8)


def plain_convolution(x: NDArray[np.int64], weight: NDArray[np.int8], stride: int) -> NDArray[np.int64]:
    kernel = weight.shape[2]
    pad = kernel // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = (-(-size // stride) for size in x.shape[1:3])
    out = np.zeros((len(x), rows, columns, len(weight)), np.int64)
    for i in range(kernel):
        for j in range(kernel):
            taps = padded[:, i : i + rows * stride : stride, j : j + columns * stride : stride]
            out += np.einsum("nrci,oi->nrco", taps, weight[:, :, i, j].astype(np.int64))
    return out


def plain_layer(layer: GatedConvProgram, u: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    codes = (u[..., None] >= layer.activation_thresholds).sum(-1)
    codes = np.where(layer.descending, 3 - codes, codes)
    leading = plain_convolution(2 * (codes >> 1) - 1, layer.weight, layer.stride)
    trailing = plain_convolution(2 * (codes & 1) - 1, layer.weight, layer.stride)
    y = 2 * leading + np.where(leading >= layer.gate_threshold, trailing, 0)
    x = u
    if layer.stride > 1:
        blocks = u.reshape(len(u), y.shape[1], 2, y.shape[2], 2, -1)
        x = (blocks.sum((2, 4)) + 2) >> 2
    x = np.concatenate([x] * (y.shape[-1] // x.shape[-1]), axis=-1)
    if layer.residual_multiplier is not None:
        x = (layer.residual_multiplier * x) >> layer.residual_shift
    upper = y >= layer.split
    multiplier = np.where(upper, layer.multiplier[1], layer.multiplier[0])
    offset = np.where(upper, layer.offset[1], layer.offset[0])
    return np.clip(x + ((multiplier * y + offset) >> layer.shift), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def plain_run(program: Program, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    spec = topology(program.design)[0]
    assert isinstance(spec, StemSpec)
    levels = thermometer(images, spec.levels, spec.resolution).astype(np.int64)
    bits = program.feature_bits
    y = plain_convolution(levels, program.stem.weight, spec.stride)
    u = np.clip(
        (y * program.stem.multiplier + program.stem.offset) >> program.stem.shift,
        -(2 ** (bits - 1)),
        2 ** (bits - 1) - 1,
    )
    for layer in program.convs:
        u = plain_layer(layer, u, bits)
    head = program.classifier
    pooled = (u.sum((1, 2)) + (1 << head.pool_shift >> 1)) >> head.pool_shift
    return pooled @ head.weight.T + head.bias


def timed(run: Callable[[Images], NDArray[np.int64]], images: Images) -> tuple[NDArray[np.int64], float, float]:
    """Return logits, images a second, and milliseconds of processor time an image, which other work disturbs less."""
    start, processor_start = time.perf_counter(), time.process_time()
    logits = run(images)
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    return logits, len(images) / seconds, 1000 * processor_seconds / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--plain-images", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    program = load_program(arguments.program) if arguments.program else untrained()
    images = images_of(program.design, arguments.images)
    executor = Executor(program, threads=arguments.threads)
    executor.run(images[:32])
    logits, fast, fast_processor_ms = timed(lambda some: executor.run(some).logits, images)
    few = images[: arguments.plain_images]
    plain_logits, plain, plain_processor_ms = timed(lambda some: plain_run(program, some), few)
    equal = bool(np.array_equal(plain_logits, logits[: len(few)]))
    rows = [
        ("executor", fast, fast_processor_ms, arguments.threads),
        ("plain NumPy", plain, plain_processor_ms, 1),
    ]
    print(f"{'':<14}{'threads':>8}{'images/s':>12}{'processor ms an image':>24}")
    for name, rate, processor_ms, threads in rows:
        print(f"{name:<14}{threads:>8}{rate:>12.1f}{processor_ms:>24.2f}")
    print(f"speed-up {fast / plain:.1f}; logits equal: {equal}; wanted: {IMAGES_PER_S:.0f} images/s or more")
    if arguments.json:
        result = {
            "executor_images_per_s": fast,
            "executor_processor_ms_per_image": fast_processor_ms,
            "plain_images_per_s": plain,
            "plain_processor_ms_per_image": plain_processor_ms,
            "logits_equal": equal,
            "threads": arguments.threads,
            "images": len(images),
            "machine": platform.machine(),
            "numpy": np.__version__,
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
