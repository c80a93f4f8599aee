"""What a trial takes of a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RayShares:
    """Where Ray is (None starts one on this machine) and what share of a machine a trial takes."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
