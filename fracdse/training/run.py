"""One training run: an epoch at a time, from the start or from a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fracdse.design import Design
from fracdse.errors import TrainingError
from fracdse.network.folder import load_state
from fracdse.network.network import FractionalNetwork, build_network, start_thresholds
from fracdse.training.batches import Batches
from fracdse.training.checkpoint import Checkpoint, adam_state, check_progress
from fracdse.training.data import Dataset, check_format
from fracdse.training.gradient_clip import clip_adaptively
from fracdse.training.history import EpochRecord
from fracdse.training.lesson import Lesson
from fracdse.training.memory import keep_freed_memory
from fracdse.training.objective import Objective
from fracdse.training.phases import Phase
from fracdse.training.recipe import Recipe
from fracdse.training.step_graph import GraphedStep
from fracdse.training.team import ALONE, Team
from fracdse.training.totals import Totals

Progress = Callable[[EpochRecord], None]
_CPU = torch.device("cpu")


class TrainingRun:
    """A network in training. `phase` and `epoch` say how far it is; `history` what happened.

    `kept` says whether there is a checkpoint of the last epoch to go back to; whoever writes checkpoints sets it.
    """

    def __init__(
        self,
        design: Design,
        train_set: Dataset,
        recipe: Recipe,
        phases: tuple[Phase, ...],
        seed: int,
        name: str,
        teacher: FractionalNetwork | None = None,
        device: torch.device = _CPU,
        team: Team = ALONE,
    ) -> None:
        self.phases, self.name = phases, name
        self.phase, self.epoch = 0, 0
        self.history: list[EpochRecord] = []
        self.kept = False
        self._recipe = recipe
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = build_network(design, precision=phases[0].precision)
        if recipe.threshold_start == "target":
            start_thresholds(self.network, design.network.gate_threshold)
        keep_freed_memory()
        check_format(self.network.design.image, train_set)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        self._batches = Batches(train_set, recipe.batch_size, recipe.augmentation, seed, device)
        self._team = team
        team.check_batch(self._batches.size)
        self._objective = Objective(recipe, design, teacher)
        self._lesson = team.together(Lesson(self.network, self._objective), self.network)
        self._optimiser = self._new_optimiser()
        self._totals = Totals(device)
        # What processes exchange in a step is not recorded.
        self._graph = GraphedStep(device if team.alone else _CPU)

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
            DataError: Its tensors do not fit this network, or its epochs do not fit this run.
        """
        check_progress(checkpoint, self.phases, source)
        load_state(self.network, checkpoint.network, str(source))
        self.phase, self.epoch = checkpoint.phase, checkpoint.epoch
        self.history = list(checkpoint.history)
        self.kept = True
        self.network.precision = self.phases[min(self.phase, len(self.phases) - 1)].precision
        self._optimiser = self._new_optimiser()
        if self.epoch:
            # Only what Adam has gathered; its settings are the step's, and of this device.
            gathered = adam_state(checkpoint.optimiser, list(self.network.parameters()), source)
            self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": gathered})

    def train_epoch(self, validation_set: Dataset | None) -> EpochRecord:
        """Train one epoch, measure on `validation_set` where given, and move on.

        Raises:
            TrainingError: The loss, or a parameter after the epoch, is not a number.
        """
        phase = self.phases[self.phase]
        start = time.perf_counter()
        loss, accuracy = self._pass_over_batches(phase)
        validation = None
        if validation_set is not None:
            validation = self._team.accuracy(self.network, validation_set)
        rate = phase.learning_rate_at(self.epoch)
        seconds = time.perf_counter() - start
        record = EpochRecord(phase.name, self.epoch + 1, phase.epochs, rate, loss, accuracy, validation, seconds)
        self.history.append(record)
        self._move_on()
        return record

    def _pass_over_batches(self, phase: Phase) -> tuple[float, float]:
        self.network.train()
        with self._graph.stream():
            self._totals.clear()
            for index, draw in enumerate(self._batches.epoch(len(self.history))):
                now = self.epoch + index / self._batches.count
                self._set_learning_rate(phase.learning_rate_at(now))
                stage = self._objective.stage(now / phase.epochs)
                self._graph(partial(self._step, stage=stage), self._team.part(draw), kind=(self.phase, stage))
                if index % self._check_every == 0:
                    self._check(phase)
            self._check(phase)
            self._check_network(phase)
            self._totals.add_up(self._team)
            return self._totals.means()

    def _step(self, draw: Tensor, stage: int | None) -> None:
        """Learn from one batch, or this process's part of it."""
        images, labels = self._batches.make(draw)
        loss, logits = self._lesson(images, labels, stage)
        self._totals.add(loss, logits, labels)
        self._optimiser.zero_grad(set_to_none=True)
        self._team.weighed(loss, len(labels), self._batches.size).backward()  # type: ignore[no-untyped-call]
        if not self.network.design.network.batch_norm:
            clip_adaptively(self.network, self._recipe.gradient_clip)
        self._optimiser.step()

    @property
    def _check_every(self) -> int:
        """How many steps go by between two looks at the loss: each look waits for a GPU."""
        return 1 if self._device.type == "cpu" else 1000

    def _check(self, phase: Phase) -> None:
        # All processes look at what all have seen, so that they stop together.
        own = torch.tensor(self._totals.first_bad_step() or (0, 0.0), dtype=torch.float64)
        bad = [(int(step), loss) for step, loss in self._team.table(own).tolist() if step]
        if bad:
            step, loss = min(bad)
            raise TrainingError(
                f"the loss is {loss} in step '{phase.name}', epoch {self.epoch + 1}, batch {step} of "
                f"{self._batches.count}",
                hint=self._way_on,
            )

    def _check_network(self, phase: Phase) -> None:
        """Look at what the last batch of an epoch left, which no loss has seen yet; on a GPU one value is read."""
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        bad = ~torch.stack([value.isfinite().all() for value in values]).all()
        if bool(self._team.add_up(bad.double())):
            raise TrainingError(
                f"the network holds values that are not finite numbers after step '{phase.name}', "
                f"epoch {self.epoch + 1}",
                hint=self._way_on,
            )

    @property
    def _way_on(self) -> str:
        return "Lower the learning rate" + ("; the checkpoint of the epoch before is kept." if self.kept else ".")

    def _set_learning_rate(self, rate: float) -> None:
        for group in self._optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

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
        on_gpu = self._device.type == "cuda"
        rate = torch.tensor(phase.learning_rate, device=self._device) if on_gpu else phase.learning_rate
        return torch.optim.Adam(
            self.network.parameters(), lr=rate, weight_decay=phase.weight_decay, fused=True, capturable=on_gpu
        )
