"""Evaluate one design: hardware first, then a short training, then hardware again with the gates that it measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fracdse.design import Design
from fracdse.errors import ConfigError, FracdseError, InfeasibleError
from fracdse.figures import HardwareFigures
from fracdse.gates import GateStatistics
from fracdse.hardware.estimate import estimate, estimate_many
from fracdse.hardware.folding import FoldingInfeasible
from fracdse.search.cache import Trained
from fracdse.search.constraints import all_constraints, missed, violations
from fracdse.search.problem import Problem
from fracdse.search.trial_facts import Outcome
from fracdse.space import SearchSpace
from fracdse.topology import topology

BUILDABLE = "buildable"  # What a design misses that cannot be built at all, beside the constraints of the space.


def check_hardware(space: SearchSpace, design: Design, gates: GateStatistics | None = None) -> Outcome:
    """Compute the hardware of a design and whether it meets the constraints; takes milliseconds.

    Returns:
        An outcome that is complete or infeasible, without accuracy.
    """
    begin = time.perf_counter()
    try:
        topology(design)
        figures = estimate(design, gates, of_proxy=gates is not None)
        return _judged(space, design, figures, gates, begin)
    except FoldingInfeasible as error:
        return Outcome("infeasible", error.message, violations={error.resource: error.excess}, seconds=_since(begin))
    except (ConfigError, InfeasibleError) as error:
        return Outcome("infeasible", error.message, violations={BUILDABLE: 1.0}, seconds=_since(begin))


def check_if_it_fits(space: SearchSpace, design: Design) -> Outcome | None:
    """Return what `check_hardware` does, or None where no folding fits, without looking for what it misses.

    Finding the least that such a design misses takes far longer than finding that it does not fit.
    """
    begin = time.perf_counter()
    try:
        figures = estimate_many([design])[0]
    except (ConfigError, InfeasibleError):
        return check_hardware(space, design)
    return None if figures is None else _judged(space, design, figures, None, begin)


def _judged(
    space: SearchSpace, design: Design, figures: HardwareFigures, gates: GateStatistics | None, begin: float
) -> Outcome:
    amounts = violations(figures, design, all_constraints(space.constraints))
    took = _since(begin)
    bad = missed(amounts)
    if not bad:
        return Outcome("complete", hardware=figures, gates=gates, violations=amounts, seconds=took)
    return Outcome("infeasible", explain(bad), hardware=figures, gates=gates, violations=amounts, seconds=took)


@dataclass(frozen=True)
class AtRung:
    """A trial that waits for its verdict: its objective values, and all that is known of it, after `epoch` epochs."""

    epoch: int
    values: list[float]
    outcome: Outcome


def evaluate_step(
    problem: Problem, design: Design, seed: int, checkpoints: Path, last: AtRung | None = None
) -> AtRung | Outcome:
    """Evaluate a design up to its next rung or its end; whatever goes wrong with it is an outcome, not an exception.

    Args:
        problem: What an evaluation needs.
        design: What to evaluate.
        seed: The trial's seed.
        checkpoints: Folder in which half-trained networks wait, and trained teachers are kept. Where a network is gone,
            its epochs are repeated.
        last: The rung that the trial is at; None at its start.
    """
    try:
        first = check_hardware(problem.space, design)
        if first.state == "infeasible":
            return first
        return _with_accuracy(problem, design, seed, checkpoints, first, last)
    except MemoryError:
        return Outcome("failed", "out of memory")
    except FracdseError as error:
        return Outcome("failed", error.message)
    except RuntimeError as error:
        # Torch reports a failed allocation, and every other failure of its kernels, as a RuntimeError.
        return Outcome("failed", str(error).strip().splitlines()[0])


def stopped(at: AtRung, reason: str, design: Design, seed: int, checkpoints: Path) -> Outcome:
    """Return the outcome of a trial that ends at a rung."""
    checkpoint_file(checkpoints, design, seed).unlink(missing_ok=True)
    return replace(at.outcome, state="pruned", reason=reason)


def checkpoint_file(checkpoints: Path, design: Design, seed: int) -> Path:
    """Return where a half-trained network waits; a trial that is run again finds what it had."""
    return checkpoints / f"{design.key}-{seed}.pt"


def objective_values(outcome: Outcome, names: Iterable[str]) -> list[float]:
    """Return the values of a complete outcome for the objectives `names`, in their order."""
    assert outcome.hardware is not None
    assert outcome.accuracy is not None
    figures = dict(outcome.hardware.items())
    return [outcome.accuracy if name == "accuracy" else figures[name].value for name in names]


def explain(bad: dict[str, float]) -> str:
    """Say which constraints are missed and by how much, the worst first."""
    worst_first = sorted(bad.items(), key=lambda item: -item[1])
    return "; ".join(f"misses {name} by {amount:.0%}" for name, amount in worst_first)


def _since(begin: float) -> dict[str, float]:
    return {"hardware": time.perf_counter() - begin}


def _with_accuracy(
    problem: Problem, design: Design, seed: int, checkpoints: Path, first: Outcome, last: AtRung | None
) -> AtRung | Outcome:
    cached = problem.cache.find(design) if last is None else None
    if cached is not None:
        return _measured(problem, design, cached, "cached", first)
    rungs = problem.space.proxy.rungs
    file = checkpoint_file(checkpoints, design, seed) if rungs else None
    epoch = next((rung for rung in rungs if last is None or rung > last.epoch), None)
    trained = _train(problem, design, seed, file, checkpoints / "teachers", epoch)
    if last is not None:
        trained = replace(trained, seconds=trained.seconds + last.outcome.seconds["training"])
    outcome = _measured(problem, design, trained, "training", first)
    if epoch is not None and outcome.state == "complete":
        return AtRung(epoch, objective_values(outcome, problem.space.objectives), outcome)
    if epoch is None:
        problem.cache.keep(design, trained)
    if file is not None:
        file.unlink(missing_ok=True)
    return outcome


def _measured(problem: Problem, design: Design, trained: Trained, step: str, first: Outcome) -> Outcome:
    """Return the outcome of a trained design, its hardware computed again with the gates that were measured."""
    second = check_hardware(problem.space, design, trained.gates)
    seconds = {"hardware": first.seconds["hardware"] + second.seconds["hardware"], step: trained.seconds}
    if second.hardware is None:
        return replace(second, seconds=seconds)
    return replace(second, state="complete", accuracy=trained.accuracy, seconds=seconds)


def _train(
    problem: Problem, design: Design, seed: int, checkpoint: Path | None, teachers: Path, until_epoch: int | None
) -> Trained:
    from fracdse.training.proxy import train_proxy

    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    result = train_proxy(
        design,
        problem.data.train,
        problem.space.proxy,
        seed,
        # A rung is an epoch of the step with binary weights; the training counts those of the step before as well.
        until_epoch=None if until_epoch is None else problem.space.proxy.real_epochs + until_epoch,
        checkpoint=checkpoint,
        teacher_cache=teachers,
        threads=problem.threads,
    )
    if not math.isfinite(result.accuracy):
        raise FracdseError(f"the accuracy of the trained proxy is {result.accuracy}")
    return Trained(result.accuracy, result.gates, result.seconds)
