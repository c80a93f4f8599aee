"""One training run: an epoch at a time, from the start or from a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fracdse.design import Design
from fracdse.errors import TrainingError
from fracdse.network.folder import load_state
from fracdse.network.network import FractionalNetwork, build_network, start_thresholds
from fracdse.training.batches import Batches
from fracdse.training.checkpoint import Checkpoint
from fracdse.training.data import Dataset
from fracdse.training.evaluation import check_format, evaluate
from fracdse.training.gradient_clip import clip_adaptively
from fracdse.training.history import EpochRecord
from fracdse.training.memory import keep_freed_memory
from fracdse.training.objective import Objective
from fracdse.training.phases import Phase
from fracdse.training.recipe import Recipe

Progress = Callable[[EpochRecord], None]


class TrainingRun:
    """A network in training. `phase` and `epoch` say how far it is; `history` what happened."""

    def __init__(
        self,
        design: Design,
        train_set: Dataset,
        recipe: Recipe,
        phases: tuple[Phase, ...],
        seed: int,
        name: str,
        teacher: FractionalNetwork | None = None,
    ) -> None:
        self.phases, self.name = phases, name
        self.phase, self.epoch = 0, 0
        self.history: list[EpochRecord] = []
        self._recipe = recipe
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = build_network(design, precision=phases[0].precision)
        if recipe.threshold_start == "target":
            start_thresholds(self.network, design.network.gate_threshold)
        keep_freed_memory()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        check_format(self.network, train_set)
        self._batches = Batches(train_set, recipe.batch_size, recipe.augmentation, seed)
        self._objective = Objective(recipe, teacher)
        self._optimiser = self._new_optimiser()

    @property
    def done(self) -> bool:
        """Whether every epoch of every step is over."""
        return self.phase == len(self.phases)

    def state(self) -> Checkpoint:
        """Return the run's state, for a file."""
        network, optimiser = self.network.state_dict(), self._optimiser.state_dict()
        return Checkpoint(self.name, self.phase, self.epoch, network, optimiser, tuple(self.history))

    def restore(self, checkpoint: Checkpoint, source: Path) -> None:
        """Go on from a checkpoint of this run.

        Raises:
            DataError: Its tensors do not fit this network.
        """
        load_state(self.network, checkpoint.network, str(source))
        self.phase, self.epoch = checkpoint.phase, checkpoint.epoch
        self.history = list(checkpoint.history)
        self.network.precision = self.phases[min(self.phase, len(self.phases) - 1)].precision
        self._optimiser = self._new_optimiser()
        if self.epoch:
            self._optimiser.load_state_dict(checkpoint.optimiser)

    def train_epoch(self, validation_set: Dataset | None) -> EpochRecord:
        """Train one epoch, measure on `validation_set` where given, and move on.

        Raises:
            TrainingError: The loss is not a number.
        """
        phase = self.phases[self.phase]
        start = time.perf_counter()
        loss, accuracy = self._pass_over_batches(phase)
        validation = None
        if validation_set is not None:
            validation = evaluate(self.network, validation_set, gate_images=0).accuracy
        rate = phase.learning_rate_at(self.epoch)
        seconds = time.perf_counter() - start
        record = EpochRecord(phase.name, self.epoch + 1, phase.epochs, rate, loss, accuracy, validation, seconds)
        self.history.append(record)
        self._move_on()
        return record

    def _pass_over_batches(self, phase: Phase) -> tuple[float, float]:
        self.network.train()
        total_loss, correct, seen = 0.0, 0, 0
        for index, (images, labels) in enumerate(self._batches.epoch(len(self.history))):
            now = self.epoch + index / self._batches.count
            for group in self._optimiser.param_groups:
                group["lr"] = phase.learning_rate_at(now)
            loss, logits = self._objective.loss(self.network, images, labels, now / phase.epochs)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss is {value} in step '{phase.name}', epoch {self.epoch + 1}, batch {index + 1} of "
                    f"{self._batches.count}",
                    hint="Lower the learning rate; the checkpoint of the epoch before is kept.",
                )
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if not self.network.design.network.batch_norm:
                clip_adaptively(self.network, self._recipe.gradient_clip)
            self._optimiser.step()
            total_loss += value * len(labels)
            correct += int((logits.detach().argmax(1) == labels).sum())
            seen += len(labels)
        return total_loss / seen, correct / seen

    def _move_on(self) -> None:
        self.epoch += 1
        if self.epoch < self.phases[self.phase].epochs:
            return
        self.phase, self.epoch = self.phase + 1, 0
        if not self.done:
            self.network.precision = self.phases[self.phase].precision
            self._optimiser = self._new_optimiser()

    def _new_optimiser(self) -> torch.optim.Optimizer:
        phase = self.phases[min(self.phase, len(self.phases) - 1)]
        return torch.optim.Adam(
            self.network.parameters(), lr=phase.learning_rate, weight_decay=phase.weight_decay, fused=True
        )
