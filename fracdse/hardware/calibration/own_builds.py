"""The user's own builds: reports tied to designs, and coefficients scaled to what the builds took.

A utilization report belongs to the design whose key (16 hexadecimal digits) is part of its top module's or its file's
name; KEY.json in the same folder holds {"design": …, "folding": …} as `fracdse estimate --json` prints them. A timing
report with the same key says whether the build met its clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fracdse.design import Design
from fracdse.errors import ConfigError, ReportError
from fracdse.folding import Folding
from fracdse.hardware.calibration.check import CheckRow, error_row
from fracdse.hardware.calibration.conformal import conformal_half_width
from fracdse.hardware.calibration.fit import relative_error
from fracdse.hardware.calibration.refit import FEWEST_FOR_A_QUANTILE, FITTED, FittedResource
from fracdse.hardware.coefficients import (
    WIDEST,
    Coefficient,
    Coefficients,
    Formula,
    coefficient_files,
    coefficients_for,
    read_coefficients,
)
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve
from fracdse.hardware.totals import network_resources
from fracdse.reports import Report, read_report
from fracdse.reports.parts import device_of

_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")
_PLACED_KINDS = ("util_placed", "util_synth")
_LARGEST_SIDECAR_BYTES = 1_000_000


@dataclass(frozen=True)
class OwnBuild:
    """A report of a design of ours; `timing_met` is None where no timing report says."""

    report: Report
    design: Design
    folding: Folding | None
    timing_met: bool | None = None


@dataclass(frozen=True)
class OwnFit:
    """Coefficients fitted on builds of one tool, version and part, and the error table before and after.

    After the fit each build is predicted from the others; a single build has no such row.
    """

    coefficients: Coefficients
    before: tuple[CheckRow, ...]
    after: tuple[CheckRow, ...]


def collect_builds(folder: Path) -> tuple[list[OwnBuild], list[str]]:
    """Read all reports below a folder and tie them to designs.

    Returns:
        The builds, placed reports in the place of synthesised ones of the same design, and a sentence for every file
        that is not used or is used with a reservation.
    """
    notes: list[str] = []
    reports = [(path, report) for path in _report_files(folder) if (report := _readable(path, notes)) is not None]
    met = _timing_met(reports)
    builds: dict[str, OwnBuild] = {}
    for path, report in sorted(reports, key=lambda pair: pair[1].kind != "util_synth"):
        if report.kind not in _PLACED_KINDS:
            continue
        try:
            key, build = _tied(path, report)
        except ConfigError as error:
            notes.append(f"{path}: not used: {error.message}")
            continue
        if met.get(key) is False:
            notes.append(f"{path}: kept, but its timing is not met")
        if key in builds and builds[key].report.part != report.part:
            notes.append(f"{path}: not used: design {key} was already read for part {builds[key].report.part}")
            continue
        builds[key] = replace(build, timing_met=met.get(key))
    return list(builds.values()), notes + _unseen_versions(list(builds.values()))


def refit_on_builds(builds: Sequence[OwnBuild]) -> list[OwnFit]:
    """Scale the coefficients of a family to builds, a tool, version and part at a time."""
    return [_fit_group(*names, members) for names, members in sorted(_groups(builds).items())]


def _groups(builds: Sequence[OwnBuild]) -> dict[tuple[str, str, str], list[OwnBuild]]:
    """Return the builds by tool, version and die."""
    groups: dict[tuple[str, str, str], list[OwnBuild]] = {}
    for build in builds:
        die = load_device(build.design.device).die
        groups.setdefault((build.report.tool, build.report.version or "unknown", die), []).append(build)
    return groups


def _unseen_versions(builds: Sequence[OwnBuild]) -> list[str]:
    """Say for every tool version that has no coefficients yet which ones stand in."""
    seen = {(found.tool, found.version, found.part) for found in map(read_coefficients, coefficient_files())}
    notes = []
    for (tool, version, die), members in sorted(_groups(builds).items()):
        if (tool, version, die) not in seen:
            base = _base(members)
            notes.append(
                f"{tool} {version} was never seen for {die}: starting from {base.tool} {base.version} for {base.part}"
            )
    return notes


def _fit_group(tool: str, version: str, die: str, builds: Sequence[OwnBuild]) -> OwnFit:
    base = _base(builds)
    values = _pairs(builds, base)
    ratios = {name: float(np.median([actual / model for model, actual in pairs])) for name, pairs in values.items()}
    source = f"{tool} {version}, {die}"
    before = tuple(error_row(name, f"before, {source}", pairs) for name, pairs in values.items())
    scaled = {name: _left_out(pairs) for name, pairs in values.items()} if len(builds) > 1 else {}
    after = tuple(
        error_row(name, f"after, {source}, each build left out once", pairs) for name, pairs in scaled.items()
    )
    widths = {name: _half_width(base.network_half_width[name], scaled.get(name, []), len(builds)) for name in FITTED}
    coefficients = Coefficients(
        tool=tool,
        version=version,
        part=die,
        source=f"the coefficients of {base.tool} {base.version} for {base.part}, scaled to {len(builds)} own builds",
        lut=_scaled(base.lut, ratios["lut"]),
        ff=_scaled(base.ff, ratios["ff"]),
        network_half_width=widths,
        network_points=len(builds),
    )
    return OwnFit(coefficients, before, after)


def _base(builds: Sequence[OwnBuild]) -> Coefficients:
    """Return the coefficients of the family that the builds of a group are of."""
    return coefficients_for(load_device(builds[0].design.device).family)


def _pairs(builds: Sequence[OwnBuild], base: Coefficients) -> dict[FittedResource, list[tuple[float, float]]]:
    """Return (model, report) of every build, by the coefficients that are to be scaled."""
    pairs: dict[FittedResource, list[tuple[float, float]]] = {"lut": [], "ff": []}
    for build in builds:
        folding = build.folding or solve(build.design, None, load_device(build.design.device))
        lut, ff, _, _ = network_resources(build.design, folding, base)
        pairs["lut"].append((lut, float(build.report.lut or 0)))
        pairs["ff"].append((ff, float(build.report.ff or 0)))
    return pairs


def _half_width(base: float, left_out: Sequence[tuple[float, float]], builds: int) -> float:
    """Return the 90 % half width after scaling: the quantile of builds left out; of few, no less than the base's.

    The median of few ratios has an error of its own, about one in √builds of a design's.
    """
    seen = conformal_half_width([relative_error(*pair) for pair in left_out]) if left_out else 0.0
    if builds < FEWEST_FOR_A_QUANTILE:
        seen = max(seen, base * (1 + 1 / builds) ** 0.5)
    return min(seen, WIDEST)


def _left_out(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Scale every model figure by the ratio of the other builds."""
    scaled = []
    for index, (model, actual) in enumerate(pairs):
        others = [pair for place, pair in enumerate(pairs) if place != index]
        scaled.append((model * float(np.median([report / figure for figure, report in others])), actual))
    return scaled


def _scaled(formulas: dict[str, Formula], ratio: float) -> dict[str, Formula]:
    def scale(coefficient: Coefficient) -> Coefficient:
        error = coefficient.standard_error
        return Coefficient(value=coefficient.value * ratio, standard_error=None if error is None else error * ratio)

    return {
        unit: formula.model_copy(
            update={"coefficients": {name: scale(each) for name, each in formula.coefficients.items()}}
        )
        for unit, formula in formulas.items()
    }


def _timing_met(reports: Sequence[tuple[Path, Report]]) -> dict[str, bool]:
    """Return whether the builds met their clocks: by reports of routed designs where there are any, by all of them."""
    verdicts: dict[str, list[tuple[bool, bool]]] = {}
    for path, report in reports:
        if report.kind == "timing" and report.timing_met is not None:
            routed = "routed" in (report.design_state or path.stem).lower()
            for key in _keys(path, report):
                verdicts.setdefault(key, []).append((routed, report.timing_met))
    return {
        key: all(met for routed, met in found if routed or not any(state for state, _ in found))
        for key, found in verdicts.items()
    }


def _report_files(folder: Path) -> list[Path]:
    return sorted(path for suffix in ("rpt", "xml") for path in folder.rglob(f"*.{suffix}") if path.is_file())


def _readable(path: Path, notes: list[str]) -> Report | None:
    try:
        return read_report(path)
    except ReportError as error:
        notes.append(f"{path}: not read: {error.message.removeprefix(f'{path}: ')}")
        return None


def _keys(path: Path, report: Report) -> list[str]:
    return list(dict.fromkeys(_KEY.findall((report.top or "").lower()) + _KEY.findall(path.stem.lower())))


def _tied(path: Path, report: Report) -> tuple[str, OwnBuild]:
    """Return the key and build of a report.

    Raises:
        ConfigError: It names no design or two, its sidecar is missing or wrong, or the part is not the design's.
    """
    keys = _keys(path, report)
    if len(keys) != 1:
        raise ConfigError("it names no design key" if not keys else f"it names two designs, {' and '.join(keys)}")
    sidecar = path.parent / f"{keys[0]}.json"
    if not sidecar.is_file():
        raise ConfigError(f"{sidecar.name} with the design is not beside it")
    if sidecar.stat().st_size > _LARGEST_SIDECAR_BYTES:
        raise ConfigError(f"{sidecar.name} is larger than {_LARGEST_SIDECAR_BYTES} bytes")
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        design = Design.from_dict(content["design"])
        folding = Folding.from_dict(content["folding"]) if content.get("folding") else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{sidecar.name} holds no design: {error}") from error
    if design.key != keys[0]:
        raise ConfigError(f"{sidecar.name} holds design {design.key}")
    die = load_device(design.device).die
    if device_of(report.part or "") != die:
        raise ConfigError(f"it is for part {report.part}, the design for {die}")
    if not report.lut or not report.ff:
        raise ConfigError("it reports no LUTs or no flip-flops")
    return keys[0], OwnBuild(report, design, folding)
