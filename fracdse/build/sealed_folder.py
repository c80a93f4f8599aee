"""Folders of a cache that say what they hold, so that what a crash or a full disk has left of one is noticed.

The seal is a JSON file with size and SHA-256 of every other file, written last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from fracdse.errors import BuildFailed
from fracdse.whole_file import write_whole

_SEAL = "seal.json"


def sealed_files(folder: Path) -> list[Path] | None:
    """Return the files of a folder, sorted; None where it has no seal, or a file is not the one that was sealed."""
    try:
        seal = json.loads((folder / _SEAL).read_bytes())
        if not isinstance(seal, dict) or not seal:
            return None
        intact = all(_entry(folder / name) == entry for name, entry in seal.items())
    except (OSError, ValueError, RecursionError):
        return None
    return [folder / name for name in sorted(seal)] if intact else None


def put_sealed(files: Sequence[Path], folder: Path) -> list[Path]:
    """Move files into a folder, seal it and return where they are now.

    Each file replaces the one of its name, so that a process that works with the folder keeps what it has.

    Raises:
        BuildFailed: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        seal = {path.name: _entry(path) for path in files}
        for path in files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(folder / path.name)
        write_whole(folder / _SEAL, json.dumps(seal, sort_keys=True).encode())
    except OSError as error:
        raise BuildFailed(
            f"the cache folder '{folder}' cannot be written: {error.strerror}",
            hint="Set FRACDSE_CACHE to a folder with room.",
        ) from error
    return [folder / name for name in sorted(seal)]


def _entry(path: Path) -> list[int | str]:
    """Return size and digest of a file."""
    with path.open("rb") as file:
        return [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]
