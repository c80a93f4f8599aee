"""Archives that are the same bytes wherever and whenever they are made, and the names that they may hold."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as a .tar.gz, in the order given, without times, owners and other traces of where it was made."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0, compresslevel=6) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def is_plain_name(name: str) -> bool:
    """Tell whether a name is relative, stays below its folder, prints, and is spelt in the one way there is for it."""
    path = PurePosixPath(name)
    plain = str(path) == name and not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return plain and name.isprintable() and name not in ("", ".")
