"""Where results of long tool runs are kept: a folder of small JSON records, named by the digest of what made them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fracdse.whole_file import write_whole

_RECORD_LIMIT = 16 * 1024 * 1024


def cache_folder() -> Path:
    """Return fracdse's cache folder: FRACDSE_CACHE, or `fracdse` in the user's cache folder (XDG_CACHE_HOME)."""
    given = os.environ.get("FRACDSE_CACHE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fracdse"


def digest_of(*parts: bytes | str) -> str:
    """Return the SHA-256 of the parts, each preceded by its length, as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()


class ContentCache:
    """JSON records by key, below one folder; a damaged or missing record counts as not there.

    Args:
        kind: Name of the sub-folder, such as `yosys`.
        folder: Cache folder; `cache_folder()` where None.
    """

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / kind

    def path(self, key: str) -> Path:
        """Return the file of a record."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the record stored under `key`, or None."""
        try:
            path = self.path(key)
            if path.stat().st_size > _RECORD_LIMIT:
                return None
            record = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Store a record; a cache that cannot be written (full disk, read-only home) is no reason to fail."""
        with contextlib.suppress(OSError):
            write_whole(self.path(key), json.dumps(record, sort_keys=True).encode())
