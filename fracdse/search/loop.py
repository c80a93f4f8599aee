"""The loop of one process: ask, evaluate, tell, until enough trials count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from fracdse.design import Design
from fracdse.errors import InfeasibleError
from fracdse.records import TrialRecord
from fracdse.search.asking import Asker
from fracdse.search.constraints import total_violation
from fracdse.search.objective import evaluate
from fracdse.search.problem import Problem


class Listener(Protocol):
    """Hears what a search does."""

    def started(self, number: int, design: Design) -> None:
        """Hear that a trial began."""

    def finished(self, record: TrialRecord) -> None:
        """Hear how a trial ended."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: when `trials` trials count, or at `deadline` (of `time.monotonic`), if there is one."""

    trials: int
    deadline: float | None = None

    @classmethod
    def of(cls, trials: int, seconds: float | None) -> Budget:
        """Return a budget whose deadline is `seconds` from now."""
        return cls(trials, None if seconds is None else time.monotonic() + seconds)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline, if there is one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def over(self) -> bool:
        """Tell whether the time is up."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def run(problem: Problem, asker: Asker, budget: Budget, listener: Listener | None = None) -> None:
    """Evaluate designs until the budget is used up or every design was tried."""
    while not budget.over:
        asked = asker.next(budget.trials)
        if asked is None:
            return
        if listener is not None:
            listener.started(asked.trial.number, asked.design)
        outcome = evaluate(problem, asked.design, asked.seed)
        record = asker.tell(asked, outcome)
        if listener is not None:
            listener.finished(record)


def require_feasible(records: list[TrialRecord]) -> None:
    """Raise InfeasibleError if trials were refused because of their hardware and none is feasible.

    Raises:
        InfeasibleError: It names the constraint that binds and the design that misses least.
    """
    infeasible = [record for record in records if total_violation(record.violations) > 0]
    if not infeasible or any(record.state == "pruned" or record.feasible for record in records):
        return
    least = min(infeasible, key=lambda record: total_violation(record.violations))
    binding = max(least.violations, key=lambda name: least.violations[name])
    raise InfeasibleError(
        f"none of {len(infeasible)} designs meets the constraints; '{binding}' binds. The least violating design is "
        f"{least.design.key} (trial {least.number}): {least.reason}",
        hint=f"Relax '{binding}', or allow smaller designs. Trial {least.number} has {_choices(least)}.",
    )


def _choices(record: TrialRecord) -> str:
    return ", ".join(f"{path} = {value!r}" for path, value in record.params.items()) or "the only design"
