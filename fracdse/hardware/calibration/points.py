"""Calibration points: what a unit or a whole network takes after synthesis, stored as CSV in hw_models/builds."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fracdse.data_files import data_folder
from fracdse.errors import DataError

NETWORK = "network"
_LARGEST_FILE_BYTES = 100_000_000


@dataclass(frozen=True)
class Point:
    """One synthesised unit, or one whole network (`unit` = 'network').

    `network` names the network that the unit was part of, `seed` the draw that it came from; `parameters` are the
    arguments of the unit's formula, or the design and folding of a network. `lut` includes `lut_memory`, `carry` counts
    carry cells, `levels` are LUTs on the longest path; `key` is a digest of the unit's RTLIL, or the design's key.
    """

    network: str
    name: str
    unit: str
    parameters: Mapping[str, Any]
    lut: int
    lut_memory: int
    ff: int
    bram18: int
    dsp: int
    carry: int
    levels: int
    seed: int
    key: str
    tool: str
    version: str
    family: str

    @property
    def fold(self) -> int:
        """Return 0…19 from the network's name: all points of a network share a fold, whatever the order of the file.

        Draws that are numbered at their names' ends are dealt out, so that every fold gets as many.
        """
        number = self.network.rpartition("-")[2]
        if number.isdigit():
            return int(number) % 4 * 5 + int(number) // 4 % 5
        return int(hashlib.sha256(self.network.encode()).hexdigest()[:8], 16) % 20

    @property
    def held_out(self) -> bool:
        """Tell whether the point is kept from every fit: every fourth draw, the first among them."""
        return self.fold < 5


def whole_networks(points: Iterable[Point]) -> frozenset[str]:
    """Return the names of the draws that are whole networks, not samples of single units."""
    return frozenset(point.network for point in points if point.unit == NETWORK)


def builds_folder() -> Path:
    """Return the folder of the stored points."""
    return data_folder("hw_models") / "builds"


def read_points(paths: Iterable[Path]) -> list[Point]:
    """Read points from CSV files.

    Raises:
        DataError: A file is too large, lacks a column, or a row cannot be read; the message names file and row.
    """
    return [point for path in paths for point in _read(path)]


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Write points as CSV, in one step: a kill leaves the old file or the new one."""
    names = [field.name for field in fields(Point)]
    rows = []
    for point in points:
        row = [getattr(point, name) for name in names]
        row[names.index("parameters")] = json.dumps(point.parameters, sort_keys=True, separators=(",", ":"))
        rows.append(row)
    write_table(path, names, rows)


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, in one step: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    unfinished.replace(path)


def _read(path: Path) -> list[Point]:
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise DataError(f"{path}: a file of points of more than {_LARGEST_FILE_BYTES} bytes is not read")
    csv.field_size_limit(1_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = {field.name for field in fields(Point)} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{path}: the columns {', '.join(sorted(missing))} are missing")
        return [_point(row, path, number) for number, row in enumerate(reader, start=2)]


def _point(row: Mapping[str, Any], path: Path, number: int) -> Point:
    values: dict[str, Any] = {}
    for field in fields(Point):
        text = row[field.name]
        try:
            if field.name == "parameters":
                values[field.name] = json.loads(text)
            else:
                values[field.name] = int(text) if field.type == "int" else str(text)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number}: {field.name} = {text!r} cannot be read") from error
    return Point(**values)
