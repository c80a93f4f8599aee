"""What a node of a Ray cluster runs: a step of one trial, refused where the node's fracdse is another one."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

from fracdse import __version__
from fracdse.design import Design
from fracdse.errors import StudyError
from fracdse.search.cache import ResultCache, Trained, code_version
from fracdse.search.objective import AtRung, evaluate_step
from fracdse.search.problem import Problem
from fracdse.search.trial_facts import Outcome


@dataclass(frozen=True)
class Step:
    """A step of one trial, on its way from the rung `last`, or from its start; see `evaluate_step`."""

    design: Design
    seed: int
    checkpoints: Path
    last: AtRung | None
    code: str


def run_step(problem: Problem, step: Step) -> AtRung | Outcome:
    """Evaluate a design up to its next rung or its end.

    Raises:
        StudyError: This node computes with another version or state of the code than the driver.
    """
    if code_version() != step.code:
        raise StudyError(
            f"node {socket.gethostname()} has another fracdse ({__version__}, code {code_version()}) than the driver "
            f"(code {step.code})",
            hint="Install the same version on every node: figures of different versions are not comparable.",
        )
    return evaluate_step(problem, step.design, step.seed, step.checkpoints, step.last)


def without_cache(problem: Problem) -> Problem:
    """Return the problem for nodes: results are cached by the driver alone, in its own folder."""
    return replace(problem, cache=_NoCache())


class _NoCache(ResultCache):
    """A cache that knows and keeps nothing."""

    def __init__(self) -> None:
        pass

    def find(self, design: Design) -> Trained | None:
        return None

    def keep(self, design: Design, result: Trained) -> None:
        pass
