"""The loop of one process: ask, evaluate, tell, until enough trials count."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from fracdse.design import Design
from fracdse.errors import InfeasibleError, StudyError
from fracdse.records import TrialRecord
from fracdse.search.asking import Asked, Asker
from fracdse.search.constraints import total_violation
from fracdse.search.objective import BUILDABLE, AtRung, evaluate_step, stopped
from fracdse.search.problem import Problem
from fracdse.search.trial_facts import Outcome


class Listener(Protocol):
    """Hears what a search does."""

    def started(self, number: int, design: Design) -> None:
        """Hear that a trial began."""

    def finished(self, record: TrialRecord) -> None:
        """Hear how a trial ended."""

    def dropped(self, number: int) -> None:
        """Hear that a trial that began does not count: it was interrupted, and is run again under another number."""


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
        while len(crew) < batch and (asked := asker.next(budget.trials, lambda: budget.over)) is not None:
            if listener is not None:
                listener.started(asked.trial.number, asked.design)
            if asked.refused is None:
                crew.append(Trainee(problem, asker, asked))
            else:
                _end(asked, asked.refused, asker, listener)
        if not crew:
            return
        _through_rungs(crew, asker, listener)


class Trainee:
    """A trial under evaluation; `at` is the rung that it waits at."""

    def __init__(self, problem: Problem, asker: Asker, asked: Asked) -> None:
        self.asked = asked
        self.at: AtRung | None = None
        self._problem, self._checkpoints = problem, asker.study.folder / "checkpoints"

    def advance(self) -> Outcome | None:
        """Train to the next rung, or to the end, whose outcome is returned."""
        answer = evaluate_step(self._problem, self.asked.design, self.asked.seed, self._checkpoints, self.at)
        self.at = answer if isinstance(answer, AtRung) else None
        return answer if isinstance(answer, Outcome) else None

    def stop(self, reason: str) -> Outcome:
        """Return the outcome of stopping at the rung."""
        assert self.at is not None
        return stopped(self.at, reason, self.asked.design, self.asked.seed, self._checkpoints)


def _through_rungs(crew: list[Trainee], asker: Asker, listener: Listener | None) -> None:
    while crew:
        for trainee in crew:
            outcome = trainee.advance()
            if outcome is not None:
                _end(trainee.asked, outcome, asker, listener)
            elif trainee.at is not None:
                asker.note_rung(trainee.asked, trainee.at)
        waiting = [(trainee, trainee.at) for trainee in crew if trainee.at is not None]
        rivals = [trainee for trainee, _ in waiting]
        verdicts = [asker.verdict(trainee.asked, at, _rivals(trainee, rivals)) for trainee, at in waiting]
        for (trainee, _), reason in zip(waiting, verdicts, strict=True):
            if reason:
                _end(trainee.asked, trainee.stop(reason), asker, listener)
        crew = [trainee for (trainee, _), reason in zip(waiting, verdicts, strict=True) if not reason]


def _end(asked: Asked, outcome: Outcome, asker: Asker, listener: Listener | None) -> None:
    tell_listener(listener, asked.trial.number, asker.tell(asked, outcome))


def tell_listener(listener: Listener | None, number: int, record: TrialRecord | None) -> None:
    """Tell a listener, if there is one, how trial `number` ended; no record says that it does not count."""
    if listener is not None and record is not None:
        listener.finished(record)
    elif listener is not None:
        listener.dropped(number)


def _rivals(own: Trainee, crew: list[Trainee]) -> list[int] | None:
    """Return the trials of the same batch, or None for a batch of one: it is compared with the whole study."""
    return [other.asked.trial.number for other in crew if other is not own] if len(crew) > 1 else None


def require_feasible(records: list[TrialRecord]) -> None:
    """Raise an error if a search has no design to show for it because of its hardware, or because every trial failed.

    Raises:
        StudyError: Every trial failed; it gives the first one's reason.
        InfeasibleError: It names the constraint that binds and the design that misses least, or why none can be built.
    """
    if records and all(record.state == "failed" for record in records):
        what = f"all {len(records)} trials" if len(records) > 1 else "the trial"
        raise StudyError(f"{what} failed. Trial {records[0].number}: {records[0].reason}")
    infeasible = [record for record in records if total_violation(record.violations) > 0]
    if not infeasible or any(record.state == "pruned" or record.feasible for record in records):
        return
    tried = f"none of {len(infeasible)} designs" if len(infeasible) > 1 else "no design"
    buildable = [record for record in infeasible if BUILDABLE not in record.violations]
    if not buildable:
        raise InfeasibleError(
            f"{tried} can be built. Trial {infeasible[0].number}: {infeasible[0].reason}",
            hint=f"Change what the reason names. Trial {infeasible[0].number} has {_choices(infeasible[0])}.",
        )
    least = min(buildable, key=lambda record: total_violation(record.violations))
    binding = max(least.violations, key=lambda name: least.violations[name])
    raise InfeasibleError(
        f"{tried} meets the constraints; '{binding}' binds. The least violating design is "
        f"{least.design.key} (trial {least.number}): {least.reason}",
        hint=f"Relax '{binding}', or allow smaller designs. Trial {least.number} has {_choices(least)}.",
    )


def _choices(record: TrialRecord) -> str:
    return ", ".join(f"{path} = {value!r}" for path, value in record.params.items()) or "the only design"
