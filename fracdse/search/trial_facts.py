"""The facts of a trial as JSON attributes of the study's storage, and back.

A trial carries `design` and `seed` from its start, so an interrupted one can be run again, and `result` from its end.
A trial with the attribute `void` does not count: it was interrupted and run again, repeats an earlier design, or was
one too many. Figures that come later, from a build or the board, are attributes of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from optuna.trial import FrozenTrial, TrialState

from fracdse.design import Design
from fracdse.errors import StudyError
from fracdse.figures import HardwareFigures
from fracdse.gates import GateStatistics
from fracdse.records import TrialRecord
from fracdse.records import TrialState as RecordState

START, RESULT, VOID, RUNGS = "start", "result", "void", "rungs"
RETRY_OF, SEED_NUMBER, COPY_OF = "retry_of", "seed_number", "copy_of"
REUSED = "reused"
LATER_PREFIX = "later:"

FinalState = Literal["complete", "pruned", "infeasible", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How the evaluation of a design ended; see `TrialRecord` for the fields."""

    state: FinalState
    reason: str = ""
    accuracy: float | None = None
    hardware: HardwareFigures | None = None
    gates: GateStatistics | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; what is not known is left out."""
        plain: dict[str, Any] = {"state": self.state, "seconds": dict(self.seconds)}
        if self.reason:
            plain["reason"] = self.reason
        if self.violations:
            plain["violations"] = dict(self.violations)
        if self.accuracy is not None:
            plain["accuracy"] = self.accuracy
        if self.hardware is not None:
            plain["hardware"] = self.hardware.to_dict()
        if self.gates is not None:
            plain["gates"] = self.gates.to_dict()
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Outcome:
        """Build an outcome from what `to_dict` returned, also after a trip through JSON.

        Raises:
            KeyError: A part is missing.
            TypeError: A part is of another type.
        """
        hardware, gates = plain.get("hardware"), plain.get("gates")
        outcome = cls(
            state=plain["state"],
            reason=plain.get("reason", ""),
            accuracy=plain.get("accuracy"),
            hardware=None if hardware is None else HardwareFigures.from_dict(hardware),
            gates=None if gates is None else GateStatistics.from_dict(gates),
            violations=plain.get("violations", {}),
            seconds=plain.get("seconds", {}),
        )
        numbers = [0 if outcome.accuracy is None else outcome.accuracy]
        numbers += [*outcome.violations.values(), *outcome.seconds.values()]
        if outcome.state not in get_args(FinalState) or type(outcome.reason) is not str:
            raise TypeError(f"{outcome.state!r} for the reason {outcome.reason!r} is no end of a trial")
        if not all(type(number) in (int, float) for number in numbers):
            raise TypeError(f"{numbers} are not all numbers")
        return outcome


def start_facts(design: Design, seed: int, owner: str, *, refused: bool = False) -> dict[str, Any]:
    """Return the attribute that a trial carries from its start; `refused` says that it is not going to be trained."""
    facts = {"design": design.to_dict(), "key": design.key, "seed": seed, "owner": owner}
    return facts | {"refused": True} if refused else facts


def has_tried(trial: FrozenTrial) -> bool:
    """Tell whether a trial has had its design, so that no other one needs to.

    It has not where it is void and never began: it was killed before, or another machine made it one too many.
    """
    return bool(trial.params) and (VOID not in trial.user_attrs or START in trial.user_attrs)


def to_record(trial: FrozenTrial, later: Mapping[str, HardwareFigures]) -> TrialRecord | None:
    """Return what is known of a trial, or None where it does not count or has not chosen its design yet.

    Raises:
        StudyError: The attributes are damaged.
    """
    start = trial.user_attrs.get(START)
    if start is None or VOID in trial.user_attrs:
        return None
    try:
        result = trial.user_attrs.get(RESULT)
        outcome = None if result is None else Outcome.from_dict(result)
        return TrialRecord(
            number=trial.number,
            state=_state(trial, outcome),
            design=Design.from_dict(start["design"]),
            params=trial.params,
            seed=int(start["seed"]),
            accuracy=outcome.accuracy if outcome else None,
            hardware=outcome.hardware if outcome else None,
            gates=outcome.gates if outcome else None,
            reason=outcome.reason if outcome else "",
            violations=outcome.violations if outcome else {},
            seconds=outcome.seconds if outcome else {},
            later=later,
            started=_time(trial.datetime_start),
            finished=_time(trial.datetime_complete),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StudyError(
            f"trial {trial.number} of the study is damaged: {error!r}", hint="Run 'fracdse study check' on it."
        ) from None


def _state(trial: FrozenTrial, outcome: Outcome | None) -> RecordState:
    if trial.state == TrialState.WAITING:
        return "waiting"
    if trial.state == TrialState.RUNNING:
        return "running"
    return "failed" if outcome is None else outcome.state


def _time(moment: Any) -> str:
    return "" if moment is None else str(moment.isoformat(timespec="seconds"))
