"""The loop of one process: ask, evaluate, tell, until enough trials count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from fracdse.design import Design
from fracdse.errors import InfeasibleError
from fracdse.records import TrialRecord
from fracdse.search.asking import Asked, Asker
from fracdse.search.constraints import total_violation
from fracdse.search.objective import AtRung, evaluation
from fracdse.search.problem import Problem
from fracdse.search.trial_facts import Outcome


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


def run(problem: Problem, asker: Asker, budget: Budget, listener: Listener | None = None, batch: int = 1) -> None:
    """Evaluate designs until the budget is used up or every design was tried.

    Args:
        problem: What an evaluation needs.
        asker: Where designs come from and outcomes go.
        budget: When to end.
        listener: Hears what happens.
        batch: With 1, a trial at a rung is compared with all that were there before, whoever ran them. With more, so
            many trials are trained to a rung together, and the better half of them goes on.
    """
    while not budget.over:
        crew: list[Trainee] = []
        while len(crew) < batch and (asked := asker.next(budget.trials)) is not None:
            if listener is not None:
                listener.started(asked.trial.number, asked.design)
            crew.append(Trainee(problem, asker, asked))
        if not crew:
            return
        _through_rungs(crew, asker, listener)


class Trainee:
    """A trial under evaluation; `at` is the rung that it waits at, or None when its outcome is known."""

    def __init__(self, problem: Problem, asker: Asker, asked: Asked) -> None:
        self.asked = asked
        self.at: AtRung | None = None
        self.outcome: Outcome | None = None
        self._steps = evaluation(problem, asked.design, asked.seed, asker.study.folder / "checkpoints")

    def advance(self, verdict: str | None) -> None:
        """Train to the next rung or to the end; `verdict` is None at first, then the reason to stop, or ''."""
        try:
            self.at = next(self._steps) if verdict is None else self._steps.send(verdict)
        except StopIteration as end:
            self.at, self.outcome = None, end.value


def _through_rungs(crew: list[Trainee], asker: Asker, listener: Listener | None) -> None:
    verdicts: list[str | None] = [None] * len(crew)
    while crew:
        for trainee, verdict in zip(crew, verdicts, strict=True):
            trainee.advance(verdict)
            if trainee.at is not None:
                asker.note_rung(trainee.asked, trainee.at)
            elif trainee.outcome is not None:
                record = asker.tell(trainee.asked, trainee.outcome)
                if listener is not None:
                    listener.finished(record)
        crew = [trainee for trainee in crew if trainee.at is not None]
        verdicts = [asker.verdict(t.asked, t.at, _rivals(t, crew)) for t in crew if t.at is not None]


def _rivals(own: Trainee, crew: list[Trainee]) -> list[int] | None:
    """Return the trials of the same batch, or None for a batch of one: it is compared with the whole study."""
    return [other.asked.trial.number for other in crew if other is not own] if len(crew) > 1 else None


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
