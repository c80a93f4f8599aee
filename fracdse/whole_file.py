"""Writing a file whole: whoever reads it, even after a kill in between, sees the old content or the new."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_MODE = 0o644  # temporary files are their owner's alone


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file as a whole or not at all; its folder is made if need be.

    Raises:
        OSError: The file or its folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(path, content)
    except OSError as error:
        error.filename = str(path)  # a full disk is reported without a name
        raise


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(_MODE)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
