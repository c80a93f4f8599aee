"""Evaluate one design: hardware first, then a short training, then hardware again with the gates that it measured."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fracdse.design import Design
from fracdse.errors import ConfigError, FracdseError, InfeasibleError
from fracdse.gates import GateStatistics
from fracdse.hardware.estimate import estimate
from fracdse.hardware.folding import FoldingInfeasible
from fracdse.search.cache import Trained
from fracdse.search.constraints import all_constraints, missed, violations
from fracdse.search.problem import Problem
from fracdse.search.trial_facts import Outcome
from fracdse.space import SearchSpace
from fracdse.topology import topology


def check_hardware(space: SearchSpace, design: Design, gates: GateStatistics | None = None) -> Outcome:
    """Compute the hardware of a design and whether it meets the constraints; takes milliseconds.

    Returns:
        An outcome that is complete or infeasible, without accuracy.
    """
    begin = time.perf_counter()
    try:
        topology(design)
        figures = estimate(design, gates)
        amounts = violations(figures, design, all_constraints(space.constraints))
    except FoldingInfeasible as error:
        return Outcome("infeasible", error.message, violations={error.resource: error.excess}, seconds=_since(begin))
    except (ConfigError, InfeasibleError) as error:
        return Outcome("infeasible", error.message, violations={"buildable": 1.0}, seconds=_since(begin))
    took = _since(begin)
    bad = missed(amounts)
    if not bad:
        return Outcome("complete", hardware=figures, gates=gates, violations=amounts, seconds=took)
    return Outcome("infeasible", explain(bad), hardware=figures, gates=gates, violations=amounts, seconds=took)


@dataclass(frozen=True)
class AtRung:
    """A trial that waits for its verdict: what it is worth after `epoch` epochs."""

    epoch: int
    values: list[float]


Evaluation = Generator[AtRung, str, Outcome]


def evaluation(problem: Problem, design: Design, seed: int, checkpoints: Path) -> Evaluation:
    """Evaluate one design; whatever goes wrong with it is an outcome, not an exception.

    Yields at every rung of the proxy, and wants to be sent why the trial is to be stopped, or an empty text. Trained
    networks wait in the folder `checkpoints` while they do.
    """
    try:
        first = check_hardware(problem.space, design)
        if first.state == "infeasible":
            return first
        return (yield from _with_accuracy(problem, design, seed, first, checkpoints))
    except MemoryError:
        return Outcome("failed", "out of memory")
    except FracdseError as error:
        return Outcome("failed", error.message)
    except RuntimeError as error:
        # Torch reports a failed allocation, and every other failure of its kernels, as a RuntimeError.
        return Outcome("failed", str(error).strip().splitlines()[0])


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


def _with_accuracy(problem: Problem, design: Design, seed: int, first: Outcome, checkpoints: Path) -> Evaluation:
    cached = problem.cache.find(design)
    if cached is not None:
        return _measured(problem, design, cached, "cached", first)
    rungs = problem.space.proxy.rungs
    file = checkpoints / f"{design.key}-{seed}.pt" if rungs else None
    seconds = 0.0
    for epoch in rungs:
        trained = _train(problem, design, seed, file, epoch)
        seconds += trained.seconds
        outcome = _measured(problem, design, replace(trained, seconds=seconds), "training", first)
        reason = yield AtRung(epoch, objective_values(outcome, problem.space.objectives))
        if reason:
            _forget(file)
            return replace(outcome, state="pruned", reason=reason)
    trained = _train(problem, design, seed, file, None)
    trained = replace(trained, seconds=seconds + trained.seconds)
    problem.cache.keep(design, trained)
    _forget(file)
    return _measured(problem, design, trained, "training", first)


def _measured(problem: Problem, design: Design, trained: Trained, step: str, first: Outcome) -> Outcome:
    """Return the outcome of a trained design, its hardware computed again with the gates that were measured."""
    second = check_hardware(problem.space, design, trained.gates)
    seconds = {"hardware": first.seconds["hardware"] + second.seconds["hardware"], step: trained.seconds}
    if second.hardware is None:
        return replace(second, seconds=seconds)
    return replace(second, state="complete", accuracy=trained.accuracy, seconds=seconds)


def _train(problem: Problem, design: Design, seed: int, checkpoint: Path | None, until_epoch: int | None) -> Trained:
    from fracdse.training.proxy import train_proxy

    if checkpoint is not None:
        checkpoint.parent.mkdir(exist_ok=True)
    result = train_proxy(
        design,
        problem.data.train,
        problem.space.proxy,
        seed,
        until_epoch=until_epoch,
        checkpoint=checkpoint,
        threads=problem.threads,
    )
    if not math.isfinite(result.accuracy):
        raise FracdseError(f"the accuracy of the trained proxy is {result.accuracy}")
    return Trained(result.accuracy, result.gates, result.seconds)


def _forget(checkpoint: Path | None) -> None:
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
