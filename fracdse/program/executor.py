"""Run an integer program on many images at once: NumPy, exact, two threads.

Feature maps are (images, rows, columns, channels) inside. A convolution of leading and trailing bits is one matrix
product of float32 (float64 for large fan-ins) on integers that stay exact; see `fracdse.program.execute_conv`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fracdse.errors import ProgramError
from fracdse.gates import GateStatistics
from fracdse.program.execute_conv import ConvResult, GatedConvRunner
from fracdse.program.execute_stem import StemRunner
from fracdse.program.fixed_point import rounding_half
from fracdse.program.gate_counts import GateCounts, statistics
from fracdse.program.model import IntArray, Program
from fracdse.program.trace import ProgramTrace, channel_first, layer_trace
from fracdse.topology import StemSpec, gated_convs, topology

# Patches of a chunk: what keeps NumPy's share of the time high, and all maps within a core's cache.
_CHUNK_BYTES = 6 << 20


@dataclass(frozen=True)
class ExecutionResult:
    """logits: (N, classes); predictions: (N,), the first of the largest logits; gates: statistics of the run."""

    logits: IntArray
    predictions: IntArray
    gates: GateStatistics


class Executor:
    """Runs one program.

    Args:
        program: The program to run.
        threads: Number of chunks of images worked on at once; default: the cores at hand, at most 8.
    """

    def __init__(self, program: Program, *, threads: int | None = None) -> None:
        self.program = program
        self._threads = threads or min(8, os.cpu_count() or 1)
        stem = topology(program.design)[0]
        assert isinstance(stem, StemSpec)
        self._stem = StemRunner(stem, program.stem, program.feature_bits)
        self._convs = [
            GatedConvRunner(spec, layer, program.feature_bits)
            for spec, layer in zip(gated_convs(program.design), program.convs, strict=True)
        ]

    def run(self, images: NDArray[np.uint8]) -> ExecutionResult:
        """Return logits, predictions and gate statistics for images (N, H, W, colours).

        Raises:
            ProgramError: The images are not of the design's shape and type.
        """
        self._check(images)
        size = self._chunk_images(len(images))
        chunks = [images[start : start + size] for start in range(0, len(images), size)]
        # The chunks keep the threads busy: threads of the BLAS library's own would only wait for each other.
        with ThreadPoolExecutor(self._threads) as pool, threadpool_limits(1, user_api="blas"):
            parts = list(pool.map(self._run_chunk, chunks))
        logits = np.concatenate([part[0] for part in parts])
        counts = [sum(layer[1:], start=layer[0]) for layer in zip(*(part[1] for part in parts), strict=True)]
        names = [layer.name for layer in self.program.convs]
        return ExecutionResult(logits, logits.argmax(1), statistics(names, counts, len(images)))

    def layers(self, images: NDArray[np.uint8]) -> Iterator[ConvResult]:
        """Yield what each gated convolution computes for a small batch of images (N, H, W, colours), in order."""
        self._check(images)
        yield from self._results(self._stem.run(images).words)

    def _results(self, words: NDArray[np.int32]) -> Iterator[ConvResult]:
        """Yield what each gated convolution makes of the stem's words."""
        for conv in self._convs:
            result = conv.run(words)
            yield result
            words = result.words

    def residuals(self, images: NDArray[np.uint8]) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
        """Yield each layer's residual before and after saturation, the stem first, for a small batch of images."""
        self._check(images)
        stem = self._stem.run(images)
        yield stem.total, stem.words
        for result in self._results(stem.words):
            yield result.total, result.words

    def trace(self, image: NDArray[np.uint8]) -> ProgramTrace:
        """Return every intermediate word of one image (H, W, colours), in (channel, row, column) order."""
        images = image[None]
        self._check(images)
        stem = self._stem.run(images)
        results = list(self._results(stem.words))
        pooled = self._pool(results[-1].words)
        return ProgramTrace(
            stem_y=channel_first(stem.y),
            stem_u=channel_first(stem.words),
            layers=tuple(map(layer_trace, self.program.convs, results)),
            pooled=pooled[0],
            logits=self._classify(pooled)[0],
        )

    def _pool(self, words: NDArray[np.int32]) -> IntArray:
        """Return the pooled words (N, C) of the last layer's (N, H, W, C)."""
        shift = self.program.classifier.pool_shift
        total = words.sum((1, 2), dtype=np.int64)
        return np.asarray((total + rounding_half(shift)) >> shift)

    def _classify(self, pooled: IntArray) -> IntArray:
        classifier = self.program.classifier
        return np.asarray(pooled @ classifier.weight.T + classifier.bias)

    def _run_chunk(self, images: NDArray[np.uint8]) -> tuple[IntArray, list[GateCounts]]:
        counts = []
        words = None
        for result in self.layers(images):
            counts.append(GateCounts.of(result.gate))
            words = result.words
        assert words is not None
        return self._classify(self._pool(words)), counts

    def _chunk_images(self, images: int) -> int:
        per_image = max(conv.patch_bytes for conv in self._convs)
        return max(1, min(-(-images // self._threads), _CHUNK_BYTES // per_image))

    def _check(self, images: NDArray[np.uint8]) -> None:
        image = self.program.design.image
        if (
            images.dtype != np.uint8
            or images.shape[1:] != (image.height, image.width, image.colours)
            or not len(images)
        ):
            raise ProgramError(
                f"images of shape {images.shape} and type {images.dtype} do not fit the program; "
                f"allowed: (at least 1, {image.height}, {image.width}, {image.colours}) of type uint8"
            )
