"""What a training run records after every epoch, and its learning curve as CSV and picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from fracdse.whole_file import write_whole


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: the step of training it belongs to, counted from 1 within it; accuracies are shares of images.

    `train_accuracy` is measured on augmented images while the network changes; `validation_accuracy` is None for an
    epoch after which it was not measured.
    """

    phase: str
    epoch: int
    epochs: int
    learning_rate: float
    loss: float
    train_accuracy: float
    validation_accuracy: float | None
    seconds: float


def write_csv(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write one row an epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [entry.name for entry in fields(EpochRecord)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in history)
    write_whole(path, text.getvalue().encode())


def write_plot(path: Path, history: Sequence[EpochRecord]) -> None:
    """Draw loss and accuracies over epochs as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    left.plot(epochs, [record.loss for record in history], color="tab:blue")
    left.set(xlabel="epoch", ylabel="training loss")
    right.plot(epochs, [100 * record.train_accuracy for record in history], label="training batches")
    measured = [(i, 100 * r.validation_accuracy) for i, r in enumerate(history, 1) if r.validation_accuracy is not None]
    right.plot([i for i, _ in measured], [value for _, value in measured], label="validation")
    right.set(xlabel="epoch", ylabel="accuracy (%)")
    right.legend()
    for edge in (i for i in range(1, len(history)) if history[i].phase != history[i - 1].phase):
        for axes in (left, right):
            axes.axvline(edge + 0.5, color="grey", linestyle=":")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_whole(path, picture.getvalue())
