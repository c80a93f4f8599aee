"""Simulated networks: what the cycle model is checked against, stored as CSV in hw_models/builds."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fracdse.design import Design
from fracdse.errors import DataError
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.hardware.calibration.points import builds_folder, write_table
from fracdse.hardware.totals import network_totals

SIMULATED_FILE = "simulated-cycles.csv"
COLUMNS = ("name", "design", "folding", "gates", "cycles_per_frame", "latency_cycles", "images", "tool")
_LARGEST_FILE_BYTES = 10_000_000


@dataclass(frozen=True)
class SimulatedNetwork:
    """Cycles of a generated accelerator under Verilator: mean between frames, and of a first frame by itself."""

    name: str
    design: Design
    folding: Folding
    gates: GateStatistics
    cycles_per_frame: float
    latency_cycles: float
    images: int
    tool: str

    @property
    def gates_open(self) -> bool:
        """Tell whether any gate opened."""
        return self.gates.open_fraction > 0

    @property
    def sliced(self) -> bool:
        """Tell whether a gated convolution is sliced."""
        return any(layer.slices > 1 for layer in self.folding.convs)

    def modelled(self) -> tuple[float, float]:
        """Return the model's cycles a frame and latency, with the gate statistics of the simulated images."""
        totals = network_totals(self.design, self.folding, self.gates)
        return totals.cycles, totals.latency


def read_simulated(path: Path | None = None) -> list[SimulatedNetwork]:
    """Read the simulated networks; none where there is no file.

    Raises:
        DataError: The file is too large, or a row is damaged; the message names its line.
    """
    path = path or builds_folder() / SIMULATED_FILE
    if not path.exists():
        return []
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise DataError(f"{path}: a file of more than {_LARGEST_FILE_BYTES} bytes is not read")
    with path.open(encoding="utf-8", newline="") as file:
        return [_network(path, line, row) for line, row in enumerate(csv.DictReader(file), start=2)]


def write_simulated(path: Path, networks: Sequence[SimulatedNetwork]) -> None:
    """Write simulated networks as CSV, in one step: a kill leaves the old file or the new one."""
    rows = []
    for network in networks:
        described = (network.design, network.folding, network.gates)
        plain = (json.dumps(each.to_dict(), separators=(",", ":")) for each in described)
        cycles = (f"{network.cycles_per_frame:.1f}".removesuffix(".0"), f"{network.latency_cycles:.0f}")
        rows.append([network.name, *plain, *cycles, network.images, network.tool])
    write_table(path, COLUMNS, rows)


def _network(path: Path, line: int, row: dict[str, str]) -> SimulatedNetwork:
    try:
        return SimulatedNetwork(
            row["name"],
            Design.from_dict(json.loads(row["design"])),
            Folding.from_dict(json.loads(row["folding"])),
            GateStatistics.from_dict(json.loads(row["gates"])),
            float(row["cycles_per_frame"]),
            float(row["latency_cycles"]),
            int(row["images"]),
            row["tool"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}, line {line}: not a simulated network: {error}") from error
