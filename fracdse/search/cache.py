"""Results of proxy trainings, kept across studies by what they depend on: network, data, proxy and code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fracdse
from fracdse.design import Design
from fracdse.errors import StudyError
from fracdse.gates import GateStatistics
from fracdse.training.recipe import Recipe

CACHE_FOLDER = Path("results") / ".cache"
_TRAINED_BY = ("network", "training", "topology.py", "gates.py", "design.py")


@dataclass(frozen=True)
class Trained:
    """What a finished proxy training gave."""

    accuracy: float
    gates: GateStatistics
    seconds: float


class ResultCache:
    """Finished proxy trainings, one JSON file each; a damaged or unreadable file counts as absent."""

    def __init__(self, folder: Path, data_fingerprint: str, proxy: Recipe) -> None:
        self._folder = folder
        self._context = {"data": data_fingerprint, "proxy": proxy.to_dict(), "code": code_version()}

    def find(self, design: Design) -> Trained | None:
        """Return the stored result of the network of `design`, if there is one."""
        try:
            plain = json.loads(self._path(design).read_text(encoding="utf-8"))
            found = Trained(float(plain["accuracy"]), GateStatistics.from_dict(plain["gates"]), float(plain["seconds"]))
            return found if found.gates.layers else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StudyError):
            return None

    def keep(self, design: Design, result: Trained) -> None:
        """Store a result.

        Raises:
            OSError: The cache cannot be written.
        """
        path = self._path(design)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(result)), encoding="utf-8")
        part.replace(path)

    def _path(self, design: Design) -> Path:
        key = _digest({"network": network_part(design), **self._context})
        return self._folder / key[:2] / f"{key}.json"


def network_part(design: Design) -> dict[str, Any]:
    """Return the part of a design that its accuracy depends on: all but the accelerator and the device."""
    plain = design.to_dict()
    return {"image": plain["image"], "network": plain["network"]}


@cache
def code_version() -> str:
    """Return a digest of the source files that decide what a training gives."""
    package = Path(fracdse.__file__).parent
    digest = hashlib.sha256(fracdse.__version__.encode())
    for name in _TRAINED_BY:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
