"""What is known of one trial, whatever storage it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fracdse.design import Design
from fracdse.figures import HardwareFigures
from fracdse.gates import GateStatistics

TrialState = Literal["waiting", "running", "complete", "pruned", "infeasible", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study.

    `accuracy` is top-1 on the validation part, 0 to 1, and None until it was measured; `reason` says why a trial
    failed, was stopped or is infeasible; `violations` is, a constraint, by how much it is missed (0: met); `seconds` is
    wall time a step; `later` holds figures from simulation, synthesis, implementation or the board, by kind.
    """

    number: int
    state: TrialState
    design: Design
    params: Mapping[str, Any]
    seed: int
    accuracy: float | None = None
    hardware: HardwareFigures | None = None
    gates: GateStatistics | None = None
    reason: str = ""
    violations: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    later: Mapping[str, HardwareFigures] = field(default_factory=dict)
    started: str = ""
    finished: str = ""

    @property
    def feasible(self) -> bool:
        """Tell whether the trial finished and meets every constraint."""
        return self.state == "complete" and all(amount <= 0 for amount in self.violations.values())
