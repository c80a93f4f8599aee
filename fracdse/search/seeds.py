"""One seed a trial, from the study's seed and the trial's number."""

from __future__ import annotations

import hashlib

# Samplers whose proposals depend on the seed and the trials before, not on what one process drew earlier.
REPEATABLE = ("model", "random", "grid")


def derived_seed(study_seed: int, *path: int | str) -> int:
    """Return a seed of 31 bits for what `path` names, such as a trial's number; the same on every machine."""
    text = ":".join(str(part) for part in (study_seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
