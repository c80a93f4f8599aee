"""The first half of a deployment: a design trained in full, lowered, and checked against its float network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.gates import GateStatistics
from fracdse.network.export import export_parameters
from fracdse.program.executor import Executor
from fracdse.program.lowering import lower
from fracdse.program.model import Program
from fracdse.program.report import lowering_report
from fracdse.training.checkpoint import run_name
from fracdse.training.data import Dataset, subsample, train_validation_split
from fracdse.training.evaluation import evaluate
from fracdse.training.full_training import CURVE_FILE
from fracdse.training.history import EpochRecord
from fracdse.training.recipe import Recipe
from fracdse.training.trainer import Trainer

# What a program may lose against its float network, and how many standard errors of that loss count as chance.
ACCURACY_LOSS_ALLOWED = 0.003
_STANDARD_ERRORS = 2.0
_CALIBRATION_IMAGES = 500
_REPORT_IMAGES = 100


@dataclass(frozen=True)
class Agreement:
    """The program beside the float network on the whole test set; accuracies and the share of equal classes, 0 to 1."""

    images: int
    float_accuracy: float
    program_accuracy: float
    same_class: float

    @property
    def loss_allowed(self) -> float:
        """Return how much less accurate the program may be: 0.3 points, and what chance explains.

        An image whose class differs is a win or a loss of one image, so d of them differ by sqrt(d) images by chance.
        """
        different = (1 - self.same_class) * self.images
        return ACCURACY_LOSS_ALLOWED + _STANDARD_ERRORS * math.sqrt(different) / self.images


@dataclass(frozen=True)
class TrainedDesign:
    """A design with its integer program.

    Attributes:
        design: What was trained.
        program: Its integer program.
        agreement: How the program compares with the float network.
        gates: Gate statistics of the program on the calibration images.
        calibration: Training images that words were scaled on, at most 500.
        warnings: Sentences for the user about what lowering lost.
    """

    design: Design
    program: Program
    agreement: Agreement
    gates: GateStatistics
    calibration: NDArray[np.uint8]
    warnings: tuple[str, ...]


def train_and_lower(
    design: Design,
    recipe: Recipe,
    train_set: Dataset,
    test_set: Dataset,
    *,
    trained_as: Design,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
    progress: Callable[[EpochRecord], None],
    trainer: Trainer,
) -> TrainedDesign:
    """Train a design as a recipe says, lower it, and check the program on the whole test set.

    Training goes on from its last epoch if it was interrupted, and is not repeated if it was finished: its folder,
    below `folder`, is named by `trained_as`, recipe, data and seed. `design` may have another clock than `trained_as`.

    Raises:
        TrainingError: The loss is not a number.
        DataError: Data and design do not fit each other.
        ProgramError: The network cannot be lowered, or the program classifies the test images worse than the float
            network (`Agreement.loss_allowed`).
    """
    learned, validation = train_validation_split(train_set, recipe.validation, seed)
    name = run_name(trained_as, recipe, learned, seed)
    target = folder / f"training-{name}"
    if (target / CURVE_FILE).is_file():
        say(f"Taking the training that is there already, in {target}.")
    else:
        say(f"Training design {design.key} in full, with seed {seed}, in {folder}.")
    network = trainer(
        trained_as, learned, validation, recipe, seed=seed, folder=target, resume=True, progress=progress
    ).network
    calibration = subsample(learned, _CALIBRATION_IMAGES, seed).images
    parameters = replace(export_parameters(network), design=design)
    program = lower(parameters, calibration)
    by_float = evaluate(network, test_set, gate_images=0)
    by_program = Executor(program).run(test_set.images)
    agreement = Agreement(
        len(test_set),
        by_float.accuracy,
        float((by_program.predictions == test_set.labels).mean()),
        float((by_program.predictions == by_float.predictions).mean()),
    )
    check_agreement(agreement)
    warnings = lowering_report(parameters, program, calibration[:_REPORT_IMAGES]).warnings
    gates = Executor(program).run(calibration).gates
    return TrainedDesign(design, program, agreement, gates, calibration, warnings)


def check_agreement(agreement: Agreement) -> None:
    """Raise ProgramError where the program classifies worse than the float network.

    Classes of single images may differ: where rounding moves one activation over a quantiser's edge, all that follows
    changes a little. With SI branches, whose signals have 256 levels, that meets a few images in a hundred.
    """
    loss = agreement.float_accuracy - agreement.program_accuracy
    if loss > agreement.loss_allowed:
        allowed = f"{100 * agreement.loss_allowed:.2f} points less where {agreement.same_class:.2%} get the same class"
        raise ProgramError(
            f"the integer program classifies {agreement.program_accuracy:.2%} of {agreement.images} test images right, "
            f"the float network {agreement.float_accuracy:.2%}; allowed: {allowed}",
            hint="Raise accelerator.feature_bits or accelerator.constant_bits in the search space.",
        )
