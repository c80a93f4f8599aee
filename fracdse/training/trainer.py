"""Where a full training runs: in this process, in the processes that torchrun started, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fracdse.design import Design
from fracdse.errors import ConfigError
from fracdse.ray_cluster import RayShares
from fracdse.training.data import Dataset
from fracdse.training.full_training import TrainingResult, train
from fracdse.training.process_group import Place, team_at
from fracdse.training.ray_training import train_on_ray
from fracdse.training.recipe import Recipe
from fracdse.training.run import Progress
from fracdse.training.team import ALONE, Team


@dataclass(frozen=True)
class Trainer:
    """Trains a design as `train` does, wherever it was told to; `ray` and `workers` are for a Ray cluster."""

    team: Team = ALONE
    ray: RayShares | None = None
    workers: int = 1
    device: str = "auto"

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks; of those that torchrun started only the first one does."""
        return self.team.leads

    def __call__(
        self,
        design: Design,
        train_set: Dataset,
        validation_set: Dataset,
        recipe: Recipe,
        *,
        seed: int,
        folder: Path,
        resume: bool = False,
        progress: Progress | None = None,
        threads: int | None = None,
    ) -> TrainingResult:
        """Train a design; see `train` and `train_on_ray`."""
        if self.ray is None:
            return train(
                design, train_set, validation_set, recipe, seed=seed, folder=folder, resume=resume, progress=progress,
                threads=threads, device=self.device, team=self.team,
            )  # fmt: skip
        return train_on_ray(
            design, train_set, validation_set, recipe, workers=self.workers, shares=self.ray, seed=seed, folder=folder,
            resume=resume, progress=progress, threads=threads, device=self.device,
        )  # fmt: skip


@contextmanager
def local_trainer(device: str = "auto") -> Iterator[Trainer]:
    """Train in this process, together with the others that torchrun may have started beside it.

    Raises:
        ConfigError: The variables that torchrun sets do not fit each other, or there are too few GPUs.
        PartnerLost: Another process ended in the middle.
    """
    with team_at(Place.from_environment(), device) as team:
        yield Trainer(team, device=device)


@contextmanager
def ray_trainer(shares: RayShares, workers: int, device: str = "auto") -> Iterator[Trainer]:
    """Train with `workers` processes on a Ray cluster.

    Raises:
        ConfigError: This process is itself one of several that torchrun started.
    """
    if Place.from_environment().size > 1:
        raise ConfigError("--engine ray and torchrun exclude each other", hint="Start it once, without torchrun.")
    yield Trainer(ray=shares, workers=workers, device=device)
