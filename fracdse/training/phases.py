"""The steps of a training run and their learning rates."""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.network.layer import Precision
from fracdse.training.recipe import Recipe, Schedule

_STEP_SHARES = (0.4, 0.6, 0.8)
_STEP_FACTOR = 0.1


@dataclass(frozen=True)
class Phase:
    """One step of training: at which precision, for how many epochs, how regularised."""

    name: str
    precision: Precision
    epochs: int
    learning_rate: float
    schedule: Schedule
    weight_decay: float

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate after a number of epochs, which may be a fraction."""
        share = epoch / self.epochs
        if self.schedule == "linear":
            return self.learning_rate * max(1 - share, 0.0)
        steps: int = sum(share >= edge for edge in _STEP_SHARES)
        return float(self.learning_rate * _STEP_FACTOR**steps)


def phases_of(recipe: Recipe) -> tuple[Phase, ...]:
    """Return FracBNN's two steps (arXiv 2012.12206): real weights with a linear decay, then binary weights."""
    rate = recipe.learning_rate
    first = Phase("real weights", "real_weights", recipe.real_epochs, rate, "linear", recipe.weight_decay)
    second = Phase("binary weights", "binary", recipe.epochs, rate, recipe.schedule, 0.0)
    return (first, second) if recipe.real_epochs else (second,)


def teacher_phases(recipe: Recipe) -> tuple[Phase, ...]:
    """Return the one step in which a float teacher is trained."""
    epochs = recipe.teacher_epochs or recipe.epochs + recipe.real_epochs
    return (Phase("teacher", "float", epochs, recipe.learning_rate, "linear", recipe.weight_decay),)
