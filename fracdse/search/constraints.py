"""Hard constraints of a study: how far a design misses them, and how a sampler is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import optuna

from fracdse.design import Design
from fracdse.figures import HardwareFigures
from fracdse.hardware.devices import load_device
from fracdse.space.objectives import RESOURCES, Constraint


def all_constraints(given: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """Return the constraints of a space and, for every resource without one, that the device must hold the design."""
    stated = tuple(given)
    named = {constraint.name for constraint in stated if constraint.relation == "<="}
    fits = tuple(Constraint(name, "<=", 1.0, share=True) for name in RESOURCES if name not in named)
    return stated + fits


def violations(figures: HardwareFigures, design: Design, constraints: Iterable[Constraint]) -> dict[str, float]:
    """Return, for every constraint, by which share of the limit the figure misses it; 0 or below: it is met."""
    device = load_device(design.device).resources
    values = {name: figure.value for name, figure in figures.items()}
    return {
        str(constraint): constraint.violation(values[constraint.name], device.get(constraint.name))
        for constraint in constraints
    }


def missed(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return only the constraints that are not met."""
    return {name: amount for name, amount in amounts.items() if amount > 0}


def tell_constraints(trial: optuna.Trial, amounts: Mapping[str, float]) -> None:
    """Hand the violations of a trial to the sampler, once; the only place that does.

    They are handed over as their sum, because samplers want the same constraints of every trial, while a design that
    no folding fits has only the excess of the resource that binds.
    """
    if not trial.constraints:
        trial.set_constraint("violation", total_violation(amounts))


def total_violation(amounts: Mapping[str, float]) -> float:
    """Return the sum of what is missed; 0 means that every constraint is met."""
    return float(sum(max(0.0, amount) for amount in amounts.values()))
