"""How a network is trained: every setting of a run, checked, with the defaults of FracBNN's CIFAR-10 recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_type_hints

from fracdse.design import checked_value
from fracdse.errors import ConfigError, nearest

BlockLoss = Literal["none", "l2", "attention"]
Schedule = Literal["steps", "linear"]
Augmentation = Literal["auto", "none", "crop", "flip and crop", "resized crop"]
DistillationOrder = Literal["joint", "stage-wise"]


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run (FracBNN, arXiv 2012.12206, unless said otherwise).

    epochs, real_epochs: of step 2 (binary weights) and step 1 (real weights, 0 leaves it out).
    schedule: of step 2: ×0.1 at 40, 60 and 80 % of its epochs, or linear to 0. Step 1 is always linear.
    weight_decay: of step 1; step 2 has none.
    threshold_weight: of the loss that pulls gate thresholds to the design's `gate_threshold`.
    threshold_start: "target" starts gate thresholds there, which short runs need; "paper" at −1.
    augmentation: "flip and crop" as for CIFAR-10; "resized crop" as for ImageNet (random part resized, flip, lighting);
    "auto" chooses by the images' size and colours.
    block_loss, block_weight: distance of block outputs to the teacher's, and its weight λ in the loss.
    logit_weight, temperature: of the Kullback–Leibler divergence from the teacher's class probabilities.
    label_weight: of the cross entropy with the labels; 0 learns from the teacher alone.
    distributional: replaces the labels' loss by the teacher's distribution (ReActNet, arXiv 2003.03488).
    teacher: "" trains the float twin for `teacher_epochs`; else the folder of a trained network.
    distillation_order: "stage-wise" matches one stage of blocks after the other, then trains jointly.
    samples: limits the training set (0: all of it); validation: share of it that accuracy is measured on.
    rungs: epochs of step 2 at which a search may stop a trial.
    gradient_clip: adaptive gradient clipping of designs without batch norms (arXiv 2104.08215).
    """

    epochs: int = 250
    real_epochs: int = 250
    batch_size: int = 128
    learning_rate: float = 1e-3
    schedule: Schedule = "steps"
    weight_decay: float = 1e-5
    threshold_weight: float = 1e-5
    threshold_start: Literal["paper", "target"] = "paper"
    augmentation: Augmentation = "auto"
    block_loss: BlockLoss = "none"
    block_weight: float = 1.0
    logit_weight: float = 0.0
    temperature: float = 4.0
    label_weight: float = 1.0
    distributional: bool = False
    teacher: str = ""
    teacher_epochs: int = 0
    distillation_order: DistillationOrder = "joint"
    samples: int = 0
    validation: float = 0.1
    rungs: tuple[int, ...] = ()
    gradient_clip: float = 0.02

    def __post_init__(self) -> None:
        rules = [
            (1 <= self.epochs <= 100_000, "epochs", "1 to 100,000"),
            (0 <= self.real_epochs <= 100_000, "real_epochs", "0 to 100,000"),
            (2 <= self.batch_size <= 65_536, "batch_size", "2 to 65,536"),
            (0 < self.learning_rate <= 10, "learning_rate", "above 0, up to 10"),
            (0 <= self.weight_decay <= 1, "weight_decay", "0 to 1"),
            (0 <= self.threshold_weight <= 1, "threshold_weight", "0 to 1"),
            (0 <= self.block_weight <= 1e6, "block_weight", "0 to 1,000,000"),
            (0 <= self.logit_weight <= 1e6, "logit_weight", "0 to 1,000,000"),
            (0 < self.temperature <= 1000, "temperature", "above 0, up to 1000"),
            (0 <= self.label_weight <= 1e6, "label_weight", "0 to 1,000,000"),
            (0 <= self.teacher_epochs <= 200_000, "teacher_epochs", "0 to 200,000 (0: as many as the network's)"),
            (self.samples >= 0, "samples", "0 or more"),
            (0 < self.validation < 1, "validation", "between 0 and 1"),
            (all(0 < rung <= self.epochs for rung in self.rungs), "rungs", f"1 to epochs = {self.epochs}"),
            (list(self.rungs) == sorted(set(self.rungs)), "rungs", "increasing numbers"),
            (0 < self.gradient_clip <= 1000, "gradient_clip", "above 0, up to 1000"),
        ]
        for holds, name, allowed in rules:
            if not holds:
                raise ConfigError(f"{name} = {getattr(self, name)!r} is out of range; allowed: {allowed}")
        if not self.label_weight and not self.logit_weight and not self._matches_blocks:
            raise ConfigError(
                "label_weight = 0 leaves nothing to learn from; allowed beside it: logit_weight above 0, or block_loss "
                "with block_weight above 0"
            )

    @property
    def needs_teacher(self) -> bool:
        """Whether any part of the loss asks for a teacher."""
        return self.block_loss != "none" or self.logit_weight > 0 or self.distributional

    @property
    def _matches_blocks(self) -> bool:
        return self.block_loss != "none" and self.block_weight > 0

    def without_effect(self) -> list[str]:
        """Return a sentence for each setting that changes nothing beside the others."""
        stage_wise = self.distillation_order == "stage-wise"
        rules = [
            (bool(self.teacher) and not self.needs_teacher, "teacher", "no part of the loss asks for a teacher"),
            (stage_wise and self.block_loss == "none", "distillation_order", "block_loss is 'none'"),
            (self.block_loss != "none" and not self.block_weight, "block_loss", "block_weight is 0"),
            (self.distributional and not self.label_weight, "distributional", "label_weight is 0"),
        ]
        return [f"{name} = {getattr(self, name)!r} has no effect: {why}" for holds, name, why in rules if holds]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON or TOML."""
        return {**asdict(self), "rungs": list(self.rungs)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str = "training") -> Recipe:
        """Build a recipe from a table of plain values; keys left out take their defaults.

        Raises:
            ConfigError: A key is unknown, or a value has the wrong type or is out of range.
        """
        hints = get_type_hints(cls)
        known = [entry.name for entry in fields(cls)]
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in hints:
                raise ConfigError(
                    f"{path}: unknown key '{name}'{nearest(name, known)}", hint=f"Known keys: {', '.join(known)}."
                )
            if name == "rungs":
                checked[name] = _rungs(value, path)
            else:
                checked[name] = checked_value(value, hints[name], f"{path}.{name}")
        return cls(**checked)


def proxy_recipe(values: Mapping[str, Any]) -> Recipe:
    """Build the recipe of a short proxy from a [proxy] table: one step of binary weights that decays to 0.

    Thresholds start at their target, because a short run cannot carry them there.

    Raises:
        ConfigError: A key is unknown, or a value has the wrong type or is out of range.
    """
    defaults: dict[str, Any] = {
        "epochs": 10,
        "real_epochs": 0,
        "batch_size": 64,
        "schedule": "linear",
        "threshold_start": "target",
        "validation": 0.2,
    }
    return Recipe.from_dict({**defaults, **values}, "proxy")


def _rungs(value: Any, path: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(rung) is int for rung in value):
        raise ConfigError(f"{path}.rungs = {value!r} must be a list of epochs, such as [2, 5, 10]")
    return tuple(value)
