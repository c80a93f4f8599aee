"""From points to a coefficient file: one non-negative fit a unit and resource, intervals from networks left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fracdse.errors import DataError
from fracdse.hardware.calibration.conformal import conformal_half_width
from fracdse.hardware.calibration.fit import fit, relative_error, term_matrix
from fracdse.hardware.calibration.points import NETWORK, Point, whole_networks
from fracdse.hardware.coefficients import Coefficient, Coefficients, Formula
from fracdse.hardware.registry import unit_terms
from fracdse.hardware.terms import UnitTerms

FittedResource = Literal["lut", "ff"]
FITTED: tuple[FittedResource, ...] = ("lut", "ff")
# From so many points on, and twice as many as coefficients, every coefficient of a unit is fitted; from so few on, one
# factor on the hand-counted ones.
FEWEST_POINTS = 20
FEWEST_SCALED = 5
# A 90 % quantile needs nine values; with fewer the half widths of the hand-counted formulas stay.
FEWEST_FOR_A_QUANTILE = 9
_CROSS_FITS = 5

Formulas = dict[tuple[str, FittedResource], dict[str, Coefficient]]


@dataclass(frozen=True)
class Counted:
    """A unit's point with its terms."""

    point: Point
    terms: UnitTerms


def counted_units(points: Sequence[Point]) -> list[Counted]:
    """Return all units among the points with their terms."""
    return [Counted(point, unit_terms(point.unit, point.parameters)) for point in points if point.unit != NETWORK]


def refit(points: Sequence[Point], base: Coefficients, source: str) -> Coefficients:
    """Fit all units that have points enough, scale those with a few; the formulas of the others stay those of `base`.

    Held-out points are not used. Half widths come from five fits that each leave out a fifth of the networks.

    Raises:
        DataError: There are no points, or they are of several tools, versions or families.
    """
    kinds = {(point.tool, point.version, point.family) for point in points}
    if len(kinds) != 1:
        raise DataError(f"one fit needs points of one tool, version and family; found {sorted(kinds)}")
    tool, version, family = kinds.pop()
    units = [unit for unit in counted_units(points) if not unit.point.held_out and _as_counted(unit)]
    formulas = _fit_all(units, base)
    left_out = _left_out_predictions(units, base)
    resources: dict[FittedResource, dict[str, Formula]] = {"lut": dict(base.lut), "ff": dict(base.ff)}
    for (unit, resource), coefficients in formulas.items():
        mine = [entry for entry in units if entry.point.unit == unit]
        errors = [
            relative_error(left_out[resource][id(entry)], getattr(entry.point, resource))
            for entry in mine
            if id(entry) in left_out[resource]
        ]
        resources[resource][unit] = Formula(
            coefficients=coefficients,
            half_width=conformal_half_width(errors)
            if len(errors) >= FEWEST_FOR_A_QUANTILE
            else resources[resource][unit].half_width,
            points=len(mine),
        )
    networks = whole_networks(point for point in points if not point.held_out)
    whole = [entry for entry in units if entry.point.network in networks]
    return Coefficients(
        tool=tool,
        version=version,
        part=family,
        source=source,
        lut=resources["lut"],
        ff=resources["ff"],
        network_half_width={
            resource: _network_half_width(whole, left_out[resource], resource) or base.network_half_width[resource]
            for resource in FITTED
        },
        network_points=len(networks),
    )


def _as_counted(unit: Counted) -> bool:
    """Tell whether synthesis left memories where they were meant to be; else LUTs are missing that a formula counts."""
    return unit.terms.bram18 == unit.point.bram18


def _fit_all(units: Sequence[Counted], base: Coefficients) -> Formulas:
    formulas: Formulas = {}
    for unit in sorted({entry.point.unit for entry in units}):
        mine = [entry for entry in units if entry.point.unit == unit]
        if len(mine) < FEWEST_SCALED:
            continue
        for resource in FITTED:
            rows = [dict(_counts(entry.terms, resource)) for entry in mine]
            names = list(dict.fromkeys(name for row in rows for name in row))
            if len(mine) < max(FEWEST_POINTS, 2 * len(names)):
                formulas[unit, resource] = _scaled(mine, base, resource)
                continue
            actual = np.array([getattr(entry.point, resource) for entry in mine], dtype=np.float64)
            found = fit(term_matrix(rows, names), actual)
            formulas[unit, resource] = {
                name: Coefficient(value=value, standard_error=error)
                for name, value, error in zip(names, found.coefficients, found.standard_errors, strict=True)
            }
    return formulas


def _scaled(units: Sequence[Counted], base: Coefficients, resource: FittedResource) -> dict[str, Coefficient]:
    """Scale the base's coefficients by the median ratio of points to its predictions."""
    kind = units[0].point.unit
    ratios = [max(getattr(entry.point, resource), 1) / max(base.predict(entry.terms, resource), 1.0) for entry in units]
    ratio, spread = float(np.median(ratios)), float(np.std(ratios)) / len(ratios) ** 0.5
    formula = (base.lut if resource == "lut" else base.ff)[kind]
    return {
        name: Coefficient(value=coefficient.value * ratio, standard_error=coefficient.value * spread)
        for name, coefficient in formula.coefficients.items()
    }


def _left_out_predictions(units: Sequence[Counted], base: Coefficients) -> dict[FittedResource, dict[int, float]]:
    """Predict every unit by a fit that did not see its network; units without a fit are left out."""
    predictions: dict[FittedResource, dict[int, float]] = {"lut": {}, "ff": {}}
    for part in range(_CROSS_FITS):
        formulas = _fit_all([entry for entry in units if entry.point.fold % _CROSS_FITS != part], base)
        for entry in units:
            if entry.point.fold % _CROSS_FITS == part:
                for resource in FITTED:
                    coefficients = formulas.get((entry.point.unit, resource))
                    if coefficients:
                        predictions[resource][id(entry)] = predicted(coefficients, _counts(entry.terms, resource))
    return predictions


def _network_half_width(units: Sequence[Counted], left_out: Mapping[int, float], resource: FittedResource) -> float:
    """Return the conformal half width of the relative error of whole networks; 0 where too few were left out."""
    actual: dict[str, float] = {}
    total: dict[str, float] = {}
    for entry in units:
        if id(entry) in left_out:
            name = entry.point.network
            actual[name] = actual.get(name, 0.0) + getattr(entry.point, resource)
            total[name] = total.get(name, 0.0) + left_out[id(entry)]
    return (
        conformal_half_width([relative_error(total[name], actual[name]) for name in actual])
        if len(actual) >= FEWEST_FOR_A_QUANTILE
        else 0.0
    )


def predicted(coefficients: Mapping[str, Coefficient], counts: Mapping[str, float]) -> float:
    """Return Σ coefficient · count; a term without a coefficient counts nothing."""
    return sum(coefficients[name].value * count for name, count in counts.items() if name in coefficients)


def _counts(terms: UnitTerms, resource: FittedResource) -> Mapping[str, float]:
    return terms.lut if resource == "lut" else terms.ff
