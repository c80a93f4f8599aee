"""The state of a training run in one file, so that it can be interrupted at any moment and goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fracdse.design import Design
from fracdse.errors import DataError, TrainingError
from fracdse.network.folder import network_digest
from fracdse.network.tensor_file import check_numbers, load_tensors, plain_tensor, save_tensors
from fracdse.training.data import Dataset
from fracdse.training.history import EpochRecord
from fracdse.training.phases import Phase
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
    """Name a run by its content: design, recipe, teacher, data and seed, as 16 hexadecimal digits.

    Raises:
        DataError: The recipe names a teacher that cannot be read.
    """
    settings = recipe.to_dict()
    if recipe.teacher:
        # What it computes and not where it is; one that nothing asks for is not read.
        settings["teacher"] = network_digest(Path(recipe.teacher)) if recipe.needs_teacher else ""
    described = {
        "network": {"image": asdict(design.image), "network": asdict(design.network)},
        "recipe": settings,
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
        history = tuple(_record(record) for record in values["history"])
        phase, epoch = values["phase"], values["epoch"]
        if type(phase) is not int or type(epoch) is not int:
            raise TypeError("phase and epoch are no whole numbers")
        network, optimiser = dict(values["network"]), dict(values["optimiser"])
        checkpoint = Checkpoint(str(values["run"]), phase, epoch, network, optimiser, history)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{path}' is not a checkpoint of a training run: {error!r}") from error
    if checkpoint.run != run:
        raise TrainingError(
            f"'{path}' belongs to another run ({checkpoint.run}): its design, data, recipe or seed differs from this "
            f"one's ({run})",
            hint="Resume with the options it was started with, or choose another folder.",
        )
    return checkpoint


def check_progress(checkpoint: Checkpoint, phases: Sequence[Phase], source: Path) -> None:
    """Raise DataError unless a checkpoint is after an epoch of these steps, and its history has every epoch before."""
    phase, epoch = checkpoint.phase, checkpoint.epoch
    if not 0 <= phase <= len(phases):
        raise DataError(f"'{source}': phase = {phase} is out of range; allowed: 0 to {len(phases)}")
    last = phases[phase].epochs - 1 if phase < len(phases) else 0
    if not 0 <= epoch <= last:
        raise DataError(f"'{source}': epoch = {epoch} of phase {phase} is out of range; allowed: 0 to {last}")
    done = sum(each.epochs for each in phases[:phase]) + epoch
    if len(checkpoint.history) != done:
        raise DataError(f"'{source}': its history has {len(checkpoint.history)} epochs, but {done} are done")


def adam_state(
    optimiser: Mapping[str, Any], parameters: Sequence[Tensor], source: Path
) -> dict[int, dict[str, Tensor]]:
    """Return what Adam has gathered, parameter by parameter, as tensors that lie in memory as the parameters do.

    Fused kernels read and write them without looking at their sizes.

    Raises:
        DataError: An entry is of no parameter, or has not its shape and type.
    """
    state = optimiser.get("state")
    if not isinstance(state, Mapping):
        raise DataError(f"'{source}' holds no state of an optimiser")
    found: dict[int, dict[str, Tensor]] = {}
    for index, entry in state.items():
        what = f"'{source}': the optimiser's state of parameter {index!r}"
        if type(index) is not int or not 0 <= index < len(parameters):
            raise DataError(f"{what} has no parameter; allowed: 0 to {len(parameters) - 1}")
        if not isinstance(entry, Mapping) or set(entry) != {"step", "exp_avg", "exp_avg_sq"}:
            raise DataError(f"{what} has other entries than step, exp_avg and exp_avg_sq")
        parameter = parameters[index].detach()
        found[index] = {
            name: _like(value, parameter if name != "step" else torch.zeros(()), f"{what}, {name}")
            for name, value in entry.items()
        }
    return found


def _like(value: object, wanted: Tensor, what: str) -> Tensor:
    given = plain_tensor(value, wanted, what)
    if given.shape != wanted.shape or given.dtype != wanted.dtype:
        raise DataError(
            f"{what} is {tuple(given.shape)} of {given.dtype}; expected {tuple(wanted.shape)} of {wanted.dtype}"
        )
    check_numbers("", given, what)
    return torch.empty_like(wanted).copy_(given)


def _record(values: Mapping[str, Any]) -> EpochRecord:
    record = EpochRecord(**values)
    numbers = [value for name, value in asdict(record).items() if name != "phase"]
    if not isinstance(record.phase, str) or not all(value is None or type(value) in (int, float) for value in numbers):
        raise TypeError(f"{values!r:.200} is no record of an epoch")
    return record
