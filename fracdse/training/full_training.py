"""Train a design in full: steps, teacher, checkpoints after every epoch, learning curves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fracdse.design import Design
from fracdse.network.folder import save_network
from fracdse.network.network import FractionalNetwork
from fracdse.training.checkpoint import load_checkpoint, run_name, save_checkpoint
from fracdse.training.data import Dataset
from fracdse.training.device import computing_device
from fracdse.training.history import EpochRecord, write_csv, write_plot
from fracdse.training.phases import phases_of
from fracdse.training.recipe import Recipe
from fracdse.training.run import Progress, TrainingRun
from fracdse.training.teacher import teacher_for
from fracdse.training.team import ALONE, Team
from fracdse.training.threads import limited_threads

CHECKPOINT_FILE = "checkpoint.pt"
HISTORY_FILE = "history.csv"
CURVE_FILE = "learning-curve.png"
TEACHER_FOLDER = "teachers"


@dataclass(frozen=True)
class TrainingResult:
    """A trained network; `accuracy` is the share of the validation set that it classifies right at the end."""

    network: FractionalNetwork
    accuracy: float
    history: tuple[EpochRecord, ...]
    seconds: float


def train(
    design: Design,
    train_set: Dataset,
    validation_set: Dataset,
    recipe: Recipe,
    *,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
    device: str = "auto",
    team: Team = ALONE,
) -> TrainingResult:
    """Train a design as a recipe says.

    Args:
        design: What to train.
        train_set: Images to learn from.
        validation_set: Images to measure on after every epoch; not used for learning.
        recipe: How to train.
        seed: Decides initial weights, order and augmentation.
        folder: Where checkpoint, learning curve and the final network go; None writes nothing.
        resume: Go on from the checkpoint in `folder`, if there is one.
        progress: Called after every epoch, the teacher's included.
        threads: How many threads to compute with; None leaves torch's setting.
        device: "cpu", "cuda", or "auto": a GPU where there is one.
        team: The processes that train together. Each calls this with the same arguments; the first of them writes.

    Raises:
        TrainingError: The loss is not a number, or the checkpoint is of another run.
        DataError: Data, checkpoint or teacher do not fit the design.
        ConfigError: The design cannot be built.
        ToolNotFound: A GPU is asked for and there is none.
    """
    start = time.perf_counter()
    with limited_threads(threads):
        cache = folder / TEACHER_FOLDER if folder is not None else None
        where = computing_device(device)
        name = run_name(design, recipe, train_set, seed)
        team.check_same(name)
        progress = progress if team.leads else None
        checkpoint = folder / CHECKPOINT_FILE if folder is not None else None
        # Read before a teacher is trained, which takes long: it may be of another run.
        with team.shared_file(checkpoint if resume else None) as file:
            earlier = load_checkpoint(file, name) if file is not None else None
        teacher = teacher_for(design, train_set, recipe, seed, cache, progress, where, team)
        run = TrainingRun(design, train_set, recipe, phases_of(recipe), seed, name, teacher, where, team)
        if earlier is not None and file is not None:
            run.restore(earlier, file)
        while not run.done:
            record = run.train_epoch(validation_set)
            if checkpoint is not None and team.leads:
                save_checkpoint(checkpoint, run.state())
            run.kept = checkpoint is not None
            if progress is not None:
                progress(record)
        run.network.eval()
        accuracy = team.accuracy(run.network, validation_set)
        run.network.cpu()
        if folder is not None and team.leads:
            _write_results(folder, run.network, run.history, recipe, accuracy, seed)
    return TrainingResult(run.network, accuracy, tuple(run.history), time.perf_counter() - start)


def _write_results(
    folder: Path,
    network: FractionalNetwork,
    history: Sequence[EpochRecord],
    recipe: Recipe,
    accuracy: float,
    seed: int,
) -> None:
    facts = {"recipe": recipe.to_dict(), "seed": seed, "validation_accuracy": accuracy}
    save_network(folder, network, facts)
    write_csv(folder / HISTORY_FILE, history)
    write_plot(folder / CURVE_FILE, history)
