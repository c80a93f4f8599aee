"""What a deployment is asked for, what it gives, and who is told meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fracdse.board.deployment.hardware import GeneratedHardware
from fracdse.board.deployment.trained import TrainedDesign
from fracdse.board.deployment.verification import Verification
from fracdse.board.proof import BoardReport
from fracdse.build.synthesis import SynthesisResult
from fracdse.design import Design
from fracdse.figures import HardwareFigures, Kind
from fracdse.gates import GateStatistics
from fracdse.training.data import Dataset
from fracdse.training.history import EpochRecord
from fracdse.training.recipe import Recipe
from fracdse.training.trainer import Trainer

Target = Literal["bundle", "sim", "yosys", "vivado"]
DEFAULT_TARGETS: frozenset[Target] = frozenset({"bundle", "sim", "yosys"})


@dataclass(frozen=True)
class DeployRequest:
    """What to deploy and how far.

    Attributes:
        design: The design.
        trained_as: The design as the study has it; it differs in the clock at most, which makes no other network.
        recipe: How to train it in full.
        train_set: Images to learn from.
        test_set: Images to measure on; used for nothing else.
        seed: Seed of the training.
        folder: Where training, plan and bundle go.
        reports_folder: Where the reports of a Vivado build are kept for calibration.
        facts: What the bundle is to say about the trial beside what is found here; plain values.
        targets: How far to go.
        images: Test images to simulate.
        jobs: Tool processes at once; one a processor where None.
        plan_only: Write Vivado's plan but do not run it.
        vivado: Vivado's program or installation folder, where it is not FRACDSE_VIVADO's or on PATH.
        time_limit_s: Longest time of Vivado.
        board: Board to run the bundle on: 'sim' for a simulated one, 'local', HOST or HOST:PORT; None: none.
        trainer: Where to train it in full.
        gates: Gate statistics of the study's training, where there are any: a design that no folding fits with these is
            not trained.
    """

    design: Design
    trained_as: Design
    recipe: Recipe
    train_set: Dataset
    test_set: Dataset
    seed: int
    folder: Path
    reports_folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    targets: frozenset[Target] = DEFAULT_TARGETS
    images: int = 100
    jobs: int | None = None
    plan_only: bool = False
    vivado: str | None = None
    time_limit_s: float = 6 * 3600.0
    board: str | None = None
    trainer: Trainer = field(default_factory=Trainer)
    gates: GateStatistics | None = None


@dataclass(frozen=True)
class DeployResult:
    """What came out; a part is None where its target was not asked for. `reports` is what calibration can read.

    `figures` holds, by kind, figures that carry that kind's values and, for the rest, those of the steps before.
    """

    trained: TrainedDesign
    hardware: GeneratedHardware
    figures: Mapping[Kind, HardwareFigures]
    verification: Verification | None
    synthesis: SynthesisResult | None
    bundle: Path
    plan: Path | None
    reports: Path | None
    board: BoardReport | None


@dataclass(frozen=True)
class Listener:
    """Who is told: `say` a sentence a step, `epoch` every epoch of training, `line` every line that Vivado prints."""

    say: Callable[[str], None]
    epoch: Callable[[EpochRecord], None]
    line: Callable[[str], None]
