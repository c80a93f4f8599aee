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
from fracdse.search.objective import Problem, evaluate
from fracdse.search.trial_facts import Outcome


class Listener(Protocol):
    """Hears what a search does."""

    def started(self, number: int, design: Design) -> None:
        """Hear that a trial began."""

    def finished(self, number: int, design: Design, outcome: Outcome) -> None:
        """Hear how a trial ended."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: when `trials` trials count, or at `deadline` (of `time.monotonic`), if there is one."""

    trials: int
    deadline: float | None = None

    @property
    def over(self) -> bool:
        """Tell whether the time is up."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def run(problem: Problem, asker: Asker, budget: Budget, listener: Listener) -> None:
    """Evaluate designs until the budget is used up or every design was tried."""
    while not budget.over:
        asked = asker.next(budget.trials)
        if asked is None:
            return
        listener.started(asked.trial.number, asked.design)
        outcome = evaluate(problem, asked.design, asked.seed)
        asker.tell(asked, outcome)
        listener.finished(asked.trial.number, asked.design, outcome)


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
