"""The model's error on points that no fit has seen: a row a resource and source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fracdse.hardware.calibration.engine_builds import RELEASED_ENGINES
from fracdse.hardware.calibration.fit import SMALLEST_UNIT, relative_error
from fracdse.hardware.calibration.points import Point, whole_networks
from fracdse.hardware.calibration.refit import FITTED, Counted, counted_units
from fracdse.hardware.calibration.simulated import SimulatedNetwork, read_simulated
from fracdse.hardware.coefficients import Coefficients
from fracdse.hardware.engine import engine_parameters, engine_resources
from fracdse.hardware.engine_cycles import engine_cycles
from fracdse.hardware.estimate import CYCLES_HALF_WIDTH, LATENCY_HALF_WIDTH


@dataclass(frozen=True)
class CheckRow:
    """Errors of one resource against one source.

    Errors are relative to the tool's figure; `coverage` is the share of values inside their 90 % interval, None where
    the model states no interval or calls the figure exact; `exact` is the share of values that the model gives exactly.
    """

    resource: str
    source: str
    points: int
    median_error: float
    error_95: float
    worst_error: float
    coverage: float | None
    exact: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def check(points: Sequence[Point], coefficients: Coefficients) -> list[CheckRow]:
    """Return the error table on the held-out points, and on the released engines, which nothing is fitted on."""
    held_out = [point for point in points if point.held_out]
    units = counted_units(held_out)
    source = f"{coefficients.tool} {coefficients.version}, {coefficients.part}"
    rows: list[CheckRow] = []
    for resource in FITTED:
        rows += _unit_rows(units, coefficients, resource, source)
    whole = whole_networks(points)
    in_networks = [entry for entry in units if entry.point.network in whole]
    for name in ("lut", "ff", "bram18", "dsp"):
        rows += _network_rows(in_networks, coefficients, name, source)
    return [*rows, *_counted_rows(counted_units(points), source), *_simulated_rows(), *_engine_rows()]


def _counted_rows(units: Sequence[Counted], source: str) -> list[CheckRow]:
    """Return the rows of what is counted, on every stored unit: nothing is fitted there."""
    rows = []
    for name in ("bram18", "dsp"):
        pairs = [(float(getattr(entry.terms, name)), float(getattr(entry.point, name))) for entry in units]
        if pairs:
            rows.append(error_row(name, f"all stored units, {source}", pairs))
    return rows


def _simulated_rows() -> list[CheckRow]:
    groups: dict[str, list[SimulatedNetwork]] = {}
    for network in read_simulated():
        gates = "gates open" if network.gates_open else "gates shut"
        groups.setdefault("layers sliced" if network.sliced else gates, []).append(network)
    rows = []
    for name, networks in sorted(groups.items()):
        pairs = [(network.modelled(), network) for network in networks]
        cycles = [(model[0], network.cycles_per_frame, CYCLES_HALF_WIDTH) for model, network in pairs]
        latency = [(model[1], network.latency_cycles, LATENCY_HALF_WIDTH) for model, network in pairs]
        source = f"simulated networks, {name}"
        rows += [_row("cycles_per_frame", source, cycles), _row("latency_cycles", source, latency)]
    return rows


def _unit_rows(units: Sequence[Counted], coefficients: Coefficients, resource: str, source: str) -> list[CheckRow]:
    formulas = coefficients.lut if resource == "lut" else coefficients.ff
    rows, everything = [], []
    for unit in sorted({entry.point.unit for entry in units}):
        mine = [
            (
                coefficients.predict(entry.terms, resource),  # type: ignore[arg-type]
                float(getattr(entry.point, resource)),
                formulas[unit].half_width,
            )
            for entry in units
            if entry.point.unit == unit
        ]
        everything += mine
        rows.append(_row(resource, f"{unit} units, {source}", mine))
    return [_row(resource, f"all units, {source}", everything), *rows] if everything else []


def _network_rows(units: Sequence[Counted], coefficients: Coefficients, resource: str, source: str) -> list[CheckRow]:
    totals: dict[str, list[float]] = {}
    for entry in units:
        total = totals.setdefault(entry.point.network, [0.0, 0.0])
        if resource in ("lut", "ff"):
            total[0] += coefficients.predict(entry.terms, resource)  # type: ignore[arg-type]
        else:
            total[0] += getattr(entry.terms, resource)
        total[1] += getattr(entry.point, resource)
    width = coefficients.network_half_width.get(resource)  # type: ignore[call-overload]
    values = [(predicted, actual, width) for predicted, actual in totals.values()]
    return [_row(resource, f"whole networks, {source}", values)] if values else []


def _engine_rows() -> list[CheckRow]:
    rows = []
    for build in RELEASED_ENGINES:
        parameters = engine_parameters(build.design)
        counted = engine_resources(build.design, parameters)
        model = {
            "cycles_per_frame": engine_cycles(build.design, parameters),
            "lut": counted.lut,
            "bram18": float(counted.bram18),
            "dsp": float(counted.dsp),
        }
        rows += [_row(name, build.source, [(model[name], build.figures[name], None)]) for name in build.figures]
    return rows


def error_row(resource: str, source: str, pairs: Sequence[tuple[float, float]]) -> CheckRow:
    """Return the errors of (model, actual) pairs without intervals."""
    return _row(resource, source, [(model, actual, None) for model, actual in pairs])


def _row(resource: str, source: str, values: Sequence[tuple[float, float, float | None]]) -> CheckRow:
    errors = np.array([abs(predicted - actual) / max(actual, SMALLEST_UNIT) for predicted, actual, _ in values])
    inside = [relative_error(predicted, actual) <= width for predicted, actual, width in values if width is not None]
    exact = float(np.mean([predicted == actual for predicted, actual, _ in values]))
    return CheckRow(
        resource,
        source,
        len(values),
        float(np.median(errors)),
        float(np.quantile(errors, 0.95)),
        float(errors.max()),
        float(np.mean(inside)) if inside else None,
        exact,
    )


def check_table(rows: Sequence[CheckRow]) -> str:
    """Return the error table as text."""
    width = max([len(row.source) for row in rows], default=10)
    heads = "".join(f"{head:>9}" for head in ("points", "median", "95 %", "worst", "covered", "exact"))
    lines = [f"{'resource':<17}{'source':<{width}}{heads}"]
    for row in rows:
        covered = "" if row.coverage is None else f"{row.coverage:.0%}"
        lines.append(
            f"{row.resource:<17}{row.source:<{width}}{row.points:>9}{row.median_error:>9.1%}{row.error_95:>9.1%}"
            f"{row.worst_error:>9.1%}{covered:>9}{_share(row.exact):>9}"
        )
    return "\n".join(lines) + "\n"


def _share(value: float) -> str:
    """Return a share in per cent; only all of them are 100 %."""
    return f"{value:.0%}" if value in (0, 1) or 0.005 <= value < 0.995 else f"{min(max(value, 0.001), 0.999):.1%}"
