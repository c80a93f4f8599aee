"""The processes that train one network together, each on its part of every batch; a team of one does it all.

What they compute equals what one process computes but for rounding. Every process draws the whole batch and takes its
part of it, so that images, their order and their augmentation do not depend on how many there are. Batch norms add up
their sums over the team. The loss of a part, a mean over its images, is weighed by its share of the batch, and the
gradients are added up, not averaged: each is then what it is in one process, bfloat16 included.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fracdse.errors import ConfigError, DataError
from fracdse.network.network import FractionalNetwork
from fracdse.network.norms import BatchNorm
from fracdse.network.si_shortcut import Range
from fracdse.training.data import Dataset
from fracdse.training.evaluation import evaluate

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Team:
    """One process, number `rank` of `size`, which exchanges tensors that lie on `device`."""

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    def check_batch(self, batch_size: int) -> None:
        """Raise ConfigError if a batch has fewer images than the team has processes."""
        if batch_size < self.size:
            raise ConfigError(
                f"batch_size = {batch_size} is too small for {self.size} processes; allowed: {self.size} or more"
            )

    def part(self, batch: Tensor) -> Tensor:
        """Return this process's rows of a batch."""
        return batch.tensor_split(self.size)[self.rank]

    def weighed(self, loss: Tensor, part: int, batch: int) -> Tensor:
        """Return the mean loss of `part` images, weighed so that the sum over processes is that of `batch` images."""
        return loss if self.alone else loss * (part / batch)

    def add_up(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, computed in place."""
        if not self.alone:
            distributed.all_reduce(values)
        return values

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest of a tensor's values over all processes, each for itself, computed in place."""
        if not self.alone:
            distributed.all_reduce(values, distributed.ReduceOp.MAX)
        return values

    def table(self, values: Tensor) -> Tensor:
        """Return the values (N,) of every process, (size, N) float64, in order of rank."""
        rows = torch.zeros(self.size, len(values), dtype=torch.float64, device=self.device)
        rows[self.rank] = values.to(rows)
        return self.add_up(rows)

    def together(self, module: nn.Module, network: FractionalNetwork) -> nn.Module:
        """Return a module, which computes a loss with `network`, such that its gradients are the team's."""
        if self.alone:
            return module
        for layer in network.modules():
            if isinstance(layer, BatchNorm | Range):
                layer.partners = self
        # Which parameters take part changes with the precision and with the stage that is distilled.
        with warnings.catch_warnings():
            # Buffers are equal everywhere already; the option's new name is not in every version that is allowed.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            parallel = DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)
        # DistributedDataParallel reads a hook's annotations, and not those that are kept as text: a lambda has none.
        parallel.register_comm_hook(None, lambda state, bucket: _added_up(bucket))
        return parallel

    def accuracy(self, network: FractionalNetwork, dataset: Dataset) -> float:
        """Return the share of images that a network classifies right, each process measuring its part of them."""
        if self.alone:
            return evaluate(network, dataset, gate_images=0).accuracy
        own = dataset.take(np.arange(self.rank, len(dataset), self.size))
        correct = evaluate(network, own, gate_images=0).accuracy * len(own) if len(own) else 0.0
        return float(self.add_up(torch.tensor(correct, dtype=torch.float64, device=self.device))) / len(dataset)

    def check_same(self, name: str) -> None:
        """Raise DataError if the run's name, made of design, data, recipe and seed, is another one elsewhere."""
        if self.alone:
            return
        halves = torch.tensor([float(int(name[:8], 16)), float(int(name[8:16], 16))])
        table = self.table(halves.double()).cpu()
        for rank, row in enumerate(table):
            if not torch.equal(row, table[0]):
                raise DataError(
                    f"process {rank} of {self.size} trains on other data, or with another design, recipe or seed, than "
                    "process 0",
                    hint="Give every process the same options, and the same data on every machine.",
                )

    @contextmanager
    def shared_file(self, path: Path | None) -> Iterator[Path | None]:
        """Give every process the leader's file to read, None where the leader has none."""
        if self.alone:
            yield path if path is not None and path.is_file() else None
            return
        content = path.read_bytes() if self.leads and path is not None and path.is_file() else None
        size = int(self.table(torch.tensor([-1.0 if content is None else float(len(content))]))[0, 0])
        if size < 0:
            yield None
            return
        data = torch.zeros(size, dtype=torch.uint8)
        if content is not None:
            data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        data = data.to(self.device)
        distributed.broadcast(data, 0)
        with tempfile.TemporaryDirectory(prefix="fracdse-") as folder:
            copy = Path(folder) / "copy.pt"
            copy.write_bytes(data.cpu().numpy().tobytes())
            yield copy


def _added_up(bucket: Any) -> Any:
    """Return the future sum of a bucket of gradients."""
    work: Any = distributed.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda done: done.value()[0])


ALONE = Team()
