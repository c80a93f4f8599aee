"""What the plot of the trade-off shows, computed without drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.table import known_figures
from fracdse.space.objectives import DIRECTIONS

# Points that are closer than this share of the panel share one label.
_LABEL_WIDTH, _LABEL_HEIGHT = 0.04, 0.03


@dataclass(frozen=True)
class FrontPoint:
    """One trial in one panel: x and y with their 90 % intervals, and the kind of the figure along x."""

    number: int
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    on_front: bool
    kind: str


def upward_figure(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> str:
    """Return what goes up in every panel: accuracy, or the first objective of a search that trains nothing."""
    known = any(record.accuracy is not None for record in records if record.state == "complete")
    return "accuracy" if known or not records else next(iter(objectives))


def front_points(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], across: str, upward: str = "accuracy"
) -> list[FrontPoint]:
    """Return what the panel '`upward` against `across`' shows: every complete trial, the front marked.

    The front is that of all objectives of the study; a trial on it may look dominated in one panel. Each trial is shown
    with its best-founded figures; accuracy is in per cent.
    """
    front = {record.number for record in pareto_front(records, objectives)}
    points: list[FrontPoint] = []
    for record in records:
        if record.state != "complete" or record.hardware is None:
            continue
        x, y = _with_interval(record, across), _with_interval(record, upward)
        if x is not None and y is not None:
            kind = "measured" if across == "accuracy" else known_figures(record)[across].kind
            points.append(FrontPoint(record.number, *x, *y, record.number in front, kind))
    return points


def _with_interval(record: TrialRecord, name: str) -> tuple[float, float, float] | None:
    if name == "accuracy":
        return None if record.accuracy is None else (100 * record.accuracy,) * 3
    figure = known_figures(record)[name]
    return figure.value, figure.low, figure.high


def best_line(points: Sequence[FrontPoint], across: str, upward: str = "accuracy") -> list[tuple[float, float]]:
    """Return the corners (x, y) of the best y that the front has at an x as good or better, the best x first."""
    across_sign = 1.0 if DIRECTIONS[across] == "minimize" else -1.0
    upward_sign = 1.0 if DIRECTIONS[upward] == "maximize" else -1.0
    ordered = sorted((p for p in points if p.on_front), key=lambda p: (across_sign * p.x, -upward_sign * p.y))
    corners: list[tuple[float, float]] = []
    for point in ordered:
        if not corners or upward_sign * point.y > upward_sign * corners[-1][1]:
            corners.append((point.x, point.y))
    return corners


def number_labels(points: Sequence[FrontPoint], all_points: Sequence[FrontPoint]) -> list[tuple[float, float, str]]:
    """Return (x, y, text) of the trial numbers beside `points`; close points share one label.

    Args:
        points: What is labelled.
        all_points: Everything in the panel, which sets its scale.
    """
    wide = max(p.x_high for p in all_points) - min(p.x_low for p in all_points) if all_points else 0.0
    high = max(p.y_high for p in all_points) - min(p.y_low for p in all_points) if all_points else 0.0
    groups: list[list[FrontPoint]] = []
    for point in points:
        for group in groups:
            near_x = abs(group[0].x - point.x) <= _LABEL_WIDTH * wide
            if near_x and abs(group[0].y - point.y) <= _LABEL_HEIGHT * high:
                group.append(point)
                break
        else:
            groups.append([point])
    return [
        (max(p.x for p in group), max(p.y for p in group), ", ".join(str(p.number) for p in group)) for group in groups
    ]
