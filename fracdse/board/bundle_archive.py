"""The archive that a bundle is: named parts with digests, packed to the same bytes every time, unpacked with suspicion.

A gzipped tar archive of plain files: `manifest.json`, `manifest.sha256`, and the parts that the manifest lists with
their sizes and SHA-256. Nothing is ever written to a path from the archive: parts are read into memory and checked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from typing import Any

from fracdse.build.archive import is_plain_name, packed
from fracdse.errors import DataError

MANIFEST = "manifest.json"
MANIFEST_DIGEST = "manifest.sha256"
VERSION = 1
_LARGEST_FILE = 256 << 20
_LARGEST_CONTENT = 1 << 30
_LARGEST_COUNT = 256
_END = bytes(tarfile.BLOCKSIZE)
_PLAIN_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_AGAIN = "Copy the bundle again, or pack the design again with `fracdse deploy`."


def pack(parts: Mapping[str, bytes], facts: Mapping[str, Any]) -> bytes:
    """Return the archive of some parts; `facts` are plain values that the manifest carries.

    Raises:
        DataError: A name is absolute, leaves the archive or is the manifest's.
    """
    for name in parts:
        if not is_plain_name(name) or name in (MANIFEST, MANIFEST_DIGEST):
            raise DataError(f"'{name}' is no name for a part of a bundle; allowed: relative names without '..'")
    manifest = {
        "format": "fracdse bundle",
        "version": VERSION,
        "facts": facts,
        "parts": {name: {"bytes": len(part), "sha256": _digest(part)} for name, part in parts.items()},
    }
    text = (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode("ascii")
    return packed({MANIFEST: text, MANIFEST_DIGEST: f"{_digest(text)}\n".encode(), **dict(sorted(parts.items()))})


def unpack(content: bytes, name: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return parts and facts of an archive whose every digest holds; `name` is what messages call it.

    Raises:
        DataError: It is no bundle, of another version, too large, holds anything but plain files with plain names, or a
            part is missing, changed or not in the manifest.
    """
    files = _files(_decompressed(content, name), name)
    manifest = _manifest(files, name)
    parts = {part: files[part] for part in files if part not in (MANIFEST, MANIFEST_DIGEST)}
    listed = manifest["parts"]
    for part in sorted(set(listed) | set(parts)):
        if part not in parts:
            raise DataError(f"{name}: the part '{part}' is missing", hint=_AGAIN)
        if part not in listed:
            raise DataError(f"{name}: '{part}' is not in its manifest", hint=_AGAIN)
        if listed[part] != {"bytes": len(parts[part]), "sha256": _digest(parts[part])}:
            raise DataError(f"{name}: the part '{part}' was changed", hint=_AGAIN)
    return parts, manifest["facts"]


def _decompressed(content: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            plain = packed.read(_LARGEST_CONTENT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is no bundle, or a damaged one ({error})", hint=_AGAIN) from error
    if len(plain) > _LARGEST_CONTENT:
        raise DataError(f"{name} holds more than {_LARGEST_CONTENT >> 20} MiB; no bundle is that large")
    return plain


def _files(plain: bytes, name: str) -> dict[str, bytes]:
    """Return the plain files of a tar archive by name, block by block: nothing of the format's extensions is obeyed.

    Some of those let a header of a few bytes stand for a file of any size, or for any number of further headers.
    """
    files: dict[str, bytes] = {}
    position = 0
    try:
        while (header := plain[position : position + tarfile.BLOCKSIZE]) != _END:
            entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
            if entry.type not in _PLAIN_FILES or not is_plain_name(entry.name) or entry.name in files:
                raise DataError(f"{name}: {entry.name!r} is a link, a folder, a path out of the archive or twice there")
            if not 0 <= entry.size <= _LARGEST_FILE or len(files) >= _LARGEST_COUNT:
                raise DataError(f"{name} has too large a part or too many: {entry.name!r}, {entry.size} bytes")
            position += tarfile.BLOCKSIZE
            files[entry.name] = plain[position : position + entry.size]
            if len(files[entry.name]) != entry.size:
                raise tarfile.ReadError(f"it ends within {entry.name!r}")
            position += -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    except tarfile.TarError as error:
        raise DataError(f"{name} is no bundle, or a damaged one ({error})", hint=_AGAIN) from error
    return files


def _manifest(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    for part in (MANIFEST, MANIFEST_DIGEST):
        if part not in files:
            raise DataError(f"{name}: the part '{part}' is missing", hint=_AGAIN)
    text = files[MANIFEST]
    if files[MANIFEST_DIGEST].strip() != _digest(text).encode():
        raise DataError(f"{name}: the part '{MANIFEST}' was changed", hint=_AGAIN)
    try:
        manifest = json.loads(text)
        version, kind = manifest["version"], manifest["format"]
        plain = isinstance(manifest["parts"], dict) and isinstance(manifest["facts"], dict)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{name}: its manifest cannot be read ({error})", hint=_AGAIN) from error
    if kind != "fracdse bundle" or version != VERSION or not plain:
        raise DataError(f"{name} is a {kind!r} of version {version!r}; this fracdse reads 'fracdse bundle' {VERSION}")
    return dict(manifest)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
