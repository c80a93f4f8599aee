"""The state of a training run in one file, so that it can be interrupted at any moment and goes on where it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fracdse.design import Design
from fracdse.errors import DataError, TrainingError
from fracdse.network.folder import load_tensors, save_tensors
from fracdse.training.data import Dataset
from fracdse.training.history import EpochRecord
from fracdse.training.recipe import Recipe


@dataclass(frozen=True)
class Checkpoint:
    """A run after a whole number of epochs: `epoch` of them in the step number `phase` are done."""

    run: str
    phase: int
    epoch: int
    network: dict[str, Any]
    optimiser: dict[str, Any]
    history: tuple[EpochRecord, ...]


def run_name(design: Design, recipe: Recipe, dataset: Dataset, seed: int) -> str:
    """Name a run by its content: design, recipe, data and seed, as 16 hexadecimal digits."""
    described = {
        "network": {"image": asdict(design.image), "network": asdict(design.network)},
        "recipe": recipe.to_dict(),
        "data": data_digest(dataset),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def data_digest(dataset: Dataset) -> str:
    """Return the SHA-256 of a data set's images and labels."""
    digest = hashlib.sha256(repr(dataset.images.shape).encode())
    digest.update(dataset.images.tobytes())
    digest.update(dataset.labels.tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the old one stays until the new one is whole."""
    values = {**checkpoint.__dict__, "history": [asdict(record) for record in checkpoint.history]}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, values)


def load_checkpoint(path: Path, run: str) -> Checkpoint:
    """Read the checkpoint of a run.

    Raises:
        DataError: The file is damaged or is no checkpoint.
        TrainingError: It belongs to another run.
    """
    values = load_tensors(path)
    try:
        history = tuple(EpochRecord(**record) for record in values["history"])
        checkpoint = Checkpoint(
            str(values["run"]),
            int(values["phase"]),
            int(values["epoch"]),
            dict(values["network"]),
            dict(values["optimiser"]),
            history,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{path}' is not a checkpoint of a training run: {error!r}") from error
    if checkpoint.run != run:
        raise TrainingError(
            f"'{path}' belongs to another run ({checkpoint.run}): its design, data, recipe or seed differs from this "
            f"one's ({run})",
            hint="Resume with the options it was started with, or choose another folder.",
        )
    return checkpoint
