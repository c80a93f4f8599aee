"""Replay a training step on a GPU as one graph: a step launches hundreds of small kernels, each a launch by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

# Steps that run as usual first, so that kernels are compiled and chosen and the optimiser has its state.
_WARM_UP_STEPS = 3
_recording = threading.RLock()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no other thread record inside the block: GPU work that is no replay may spoil a recording beside it."""
    with _recording:
        yield


class GraphedStep:
    """Call `step(draw)`; on a GPU, record it once and then replay what was recorded.

    The step must do the same each time and read nothing back from the GPU. Call `forget` when it changes.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = new_stream(device) if device.type == "cuda" else None
        self.forget()

    def forget(self) -> None:
        """Drop what was recorded."""
        self._kind: Hashable = None
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._draw = torch.empty(0)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Queue the GPU's work inside the block on this step's own stream, beside that of other runs."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.default_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            yield

    def __call__(self, step: Callable[[Tensor], None], draw: Tensor, kind: Hashable) -> None:
        """Do one step of a kind on a draw."""
        if self._stream is None:
            step(draw)
            return
        if kind != self._kind:
            self.forget()
            self._kind = kind
        self._calls += 1
        if self._graph is not None:
            self._draw.copy_(draw)
            self._graph.replay()
            return
        if self._calls <= _WARM_UP_STEPS:
            with _recording:
                step(draw)
            return
        with _recording:
            self._draw = draw.clone()
            self._graph = _record(partial(step, self._draw), self._stream)
        self._graph.replay()


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], values: Tensor, size: int) -> Tensor:
    """Return function(values), `size` rows at a time; on a GPU, recorded once and replayed for whole batches."""
    parts = torch.split(values, size)
    whole = [part for part in parts if len(part) == size]
    if not values.is_cuda or len(whole) < _WARM_UP_STEPS:
        return torch.cat([function(part) for part in parts])
    stream = new_stream(values.device)
    with beside(stream):
        with _recording:
            function(whole[0])
            given = whole[0].clone()
            result: list[Tensor] = []
            graph = _record(lambda: result.append(function(given)), stream)
        results = []
        for part in whole:
            given.copy_(part)
            graph.replay()
            results.append(result[0].clone())
        results += [function(part) for part in parts[len(whole) :]]
        everything = torch.cat(results)
    torch.cuda.current_stream(values.device).wait_stream(stream)
    stream.synchronize()
    return everything


def new_stream(device: torch.device) -> torch.cuda.Stream:
    """Return a stream of a GPU on which work is queued beside that of others."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def beside(stream: torch.cuda.Stream) -> Iterator[None]:
    """Queue the GPU's work inside the block on a stream, after all that the current one has been given so far."""
    stream.wait_stream(torch.cuda.current_stream(stream.device))
    with torch.cuda.stream(stream):
        yield


def _record(work: Callable[[], object], stream: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
    """Record what `work` queues on a stream; other threads may go on using the GPU."""
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        work()
    return graph
