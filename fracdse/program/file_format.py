"""The program file: one integer program as bytes, the same bytes for the same program (docs/program-format.md).

    bytes 0…7     magic "FRACPROG"
    bytes 8…11    version, little-endian
    bytes 12…15   length of the header H, little-endian
    bytes 16…23   length of the data D, little-endian
    bytes 24…55   SHA-256 of the header and the data
    then          header: JSON (ASCII, keys sorted, no blanks), D bytes of arrays

The header holds the design, every plain value and, for each array, its kind, shape and place in the data. The reader
trusts none of it: lengths are checked before anything is read, the digest before anything is parsed, and every array
against the topology of the design.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path

from fracdse.errors import ConfigError, ProgramError
from fracdse.program.file_arrays import ArrayReader, ArrayWriter
from fracdse.program.file_layers import program_from_header, program_to_header
from fracdse.program.model import Program
from fracdse.program.validation import check_program

MAGIC = b"FRACPROG"
VERSION = 2
_PREFIX = struct.Struct("<8sIIQ32s")
_LARGEST_HEADER = 1 << 22
_LARGEST_DATA = 1 << 28


def program_bytes(program: Program) -> bytes:
    """Return the file's bytes."""
    arrays = ArrayWriter()
    header = json.dumps(program_to_header(program, arrays), sort_keys=True, separators=(",", ":")).encode("ascii")
    data = arrays.data()
    digest = hashlib.sha256(header + data).digest()
    return _PREFIX.pack(MAGIC, VERSION, len(header), len(data), digest) + header + data


def save_program(program: Program, path: Path | str) -> None:
    """Write a program file; an existing file is replaced only once the new one is complete.

    Raises:
        ProgramError: The file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            partial.write_bytes(program_bytes(program))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ProgramError(f"program file '{path}' cannot be written: {error.strerror}") from error


def load_program(path: Path | str) -> Program:
    """Read a program file.

    Raises:
        ProgramError: The file cannot be read, is no program file, is of another version, truncated or longer than it
        says,
            has a wrong digest, or does not fit the design that it names.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(_PREFIX.size + _LARGEST_HEADER + _LARGEST_DATA + 1)
    except OSError as error:
        raise ProgramError(f"program file '{path}' cannot be read: {error.strerror}") from error
    return program_from_bytes(content, f"program file '{path}'")


def program_from_bytes(content: bytes, name: str = "program") -> Program:
    """Read a program from a file's bytes; `name` is what messages call it. Raises as `load_program`."""
    header, data = _sections(content, name)
    try:
        program = program_from_header(json.loads(header), ArrayReader(data))
        check_program(program)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error.message}", hint=error.hint) from error
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ProgramError(f"{name}: its header does not describe a program ({_reason(error)})") from error
    return program


def _sections(content: bytes, name: str) -> tuple[bytes, bytes]:
    """Return header and data once magic, version, lengths and digest hold."""
    if content[: len(MAGIC)] != MAGIC[: len(content)] or not content:
        raise ProgramError(f"{name} is not a program file: it does not begin with '{MAGIC.decode()}'")
    if len(content) >= 12:
        version = int.from_bytes(content[8:12], "little")
        if version != VERSION:
            raise ProgramError(
                f"{name} is of version {version}; this fracdse reads version {VERSION}",
                hint="Lower the network again with this version, or use the version that wrote the file.",
            )
    if len(content) < _PREFIX.size:
        raise ProgramError(f"{name} is truncated: {len(content)} bytes, not even the {_PREFIX.size} of its prefix")
    _, _, header_length, data_length, digest = _PREFIX.unpack_from(content)
    if header_length > _LARGEST_HEADER or data_length > _LARGEST_DATA:
        raise ProgramError(
            f"{name} claims a header of {header_length} and data of {data_length} bytes; "
            f"allowed: {_LARGEST_HEADER} and {_LARGEST_DATA}"
        )
    expected = _PREFIX.size + header_length + data_length
    if len(content) < expected:
        raise ProgramError(f"{name} is truncated: {len(content)} of {expected} bytes", hint="Copy or write it again.")
    if len(content) > expected:
        raise ProgramError(f"{name} has more bytes than the {expected} it claims", hint="Copy or write it again.")
    body = content[_PREFIX.size :]
    if hashlib.sha256(body).digest() != digest:
        raise ProgramError(f"{name} has a wrong digest: its content was changed", hint="Copy or write it again.")
    return body[:header_length], body[header_length:]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
