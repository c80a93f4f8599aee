"""The short training that stands for a design's accuracy in a search."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fracdse.design import Design
from fracdse.gates import GateStatistics
from fracdse.network.network import FractionalNetwork
from fracdse.training.checkpoint import load_checkpoint, run_name, save_checkpoint
from fracdse.training.data import Dataset, subsample, train_validation_split
from fracdse.training.device import computing_device
from fracdse.training.evaluation import evaluate
from fracdse.training.history import EpochRecord
from fracdse.training.phases import phases_of
from fracdse.training.recipe import Recipe
from fracdse.training.run import Progress, TrainingRun
from fracdse.training.teacher import teacher_for
from fracdse.training.threads import limited_threads

_SPLIT_SEED = _TEACHER_SEED = 0


@dataclass(frozen=True)
class ProxyResult:
    """What a proxy found: accuracy and gates on the validation part, after `epochs` epochs.

    `seconds` is the time of this call alone; a call that went on from a checkpoint did not repeat the epochs before it.
    """

    accuracy: float
    gates: GateStatistics
    epochs: int
    seconds: float
    network: FractionalNetwork
    history: tuple[EpochRecord, ...]
    checkpoint: Path | None


def train_proxy(
    design: Design,
    dataset: Dataset,
    recipe: Recipe,
    seed: int = 0,
    *,
    until_epoch: int | None = None,
    checkpoint: Path | None = None,
    teacher_cache: Path | None = None,
    progress: Progress | None = None,
    threads: int | None = 1,
    device: str = "auto",
) -> ProxyResult:
    """Train a design for a while and measure it on images that it did not learn from.

    The validation part is split off `dataset`, a training set, by the recipe's share and a fixed seed, so that every
    design of a search is measured on the same images; `recipe.samples` then limits the rest. A float twin that teaches
    has a fixed seed as well, so that all designs that differ only in what is binary about them share one.

    Args:
        design: What to train.
        dataset: A training set; never a test set.
        recipe: How to train; its schedule always spans all of its epochs.
        seed: Decides initial weights, order and augmentation.
        until_epoch: Stop after that many epochs in total, a rung; None trains to the end.
        checkpoint: A file to go on from, if it exists, and to leave the state in; None keeps nothing.
        teacher_cache: Folder in which trained teachers are kept.
        progress: Called after every epoch.
        threads: How many threads to compute with; None leaves torch's setting.
        device: "cpu", "cuda", or "auto": a GPU where there is one.

    Raises:
        TrainingError: The loss is not a number, or the checkpoint is of another run.
        DataError: The data or the checkpoint does not fit the design.
        ConfigError: The design cannot be built.
        ToolNotFound: A GPU is asked for and there is none.
    """
    start = time.perf_counter()
    learned_from, held_out = train_validation_split(dataset, recipe.validation, _SPLIT_SEED)
    train_set = subsample(learned_from, recipe.samples, _SPLIT_SEED)
    total = recipe.real_epochs + recipe.epochs
    last = total if until_epoch is None else min(until_epoch, total)
    with limited_threads(threads):
        where = computing_device(device)
        name = run_name(design, recipe, train_set, seed)
        earlier = load_checkpoint(checkpoint, name) if checkpoint is not None and checkpoint.is_file() else None
        teacher = teacher_for(design, train_set, recipe, _TEACHER_SEED, teacher_cache, None, where)
        run = TrainingRun(design, train_set, recipe, phases_of(recipe), seed, name, teacher, where)
        if checkpoint is not None and earlier is not None:
            run.restore(earlier, checkpoint)
        while len(run.history) < last:
            record = run.train_epoch(None)
            if progress is not None:
                progress(record)
        if checkpoint is not None:
            save_checkpoint(checkpoint, run.state())
        run.network.precision = "binary"
        measured = evaluate(run.network, held_out)
        run.network.cpu()
    assert measured.gates is not None
    seconds = time.perf_counter() - start
    return ProxyResult(
        measured.accuracy, measured.gates, len(run.history), seconds, run.network, tuple(run.history), checkpoint
    )
