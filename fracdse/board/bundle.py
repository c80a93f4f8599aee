"""Bundles: everything a board needs of one design, in one file that is the same bytes for the same design.

| part | what |
| --- | --- |
| `program.fracprog` | the integer program (docs/program-format.md) |
| `design.json`, `folding.json` | the design, and how a dataflow accelerator shares its lanes (`null` for others) |
| `golden_images.u8` | images (N, rows, columns, colours), a byte a value |
| `golden_logits.i32` | the program's logits for them (N, classes), little-endian |
| `accelerator.v` | the Verilog that was built |
| `accelerator.bit`, `accelerator.hwh` | bitstream and hardware handoff, where it was built |
| `driver/…` | the driver and what it imports of this package |

The manifest adds the digests, the build id that the hardware carries, and facts: accuracies and figures of the design.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.board.bundle_archive import pack, unpack
from fracdse.board.plain_verilog import check_plain_verilog
from fracdse.errors import DataError
from fracdse.folding import Folding
from fracdse.program import Program, program_bytes
from fracdse.program.file_format import program_from_bytes
from fracdse.whole_file import write_whole

_NEEDED = ("program.fracprog", "design.json", "folding.json", "golden_images.u8", "golden_logits.i32")
_OPTIONAL = {"verilog": "accelerator.v", "bitstream": "accelerator.bit", "handoff": "accelerator.hwh"}
_DRIVER = (
    "__init__.py",
    "errors.py",
    "registers.py",
    "system.py",
    "board/__init__.py",
    "board/buffers.py",
    "board/clock.py",
    "board/connection.py",
    "board/counted_registers.py",
    "board/dma.py",
    "board/driver.py",
    "board/proof.py",
    "board/quiet.py",
    "board/remote.py",
    "board/standalone.py",
    "board/upload.py",
)
_DRIVER_FOLDER = "driver/fracdse/"
_BUILD_ID = "build_id"
_BUILD_ID_TEXT = re.compile("[0-9a-f]{16}")
_LARGEST_BUNDLE = 512 << 20


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds. golden_images: (N, rows, columns, colours); golden_logits: (N, classes).

    `driver` maps file names below a folder on Python's path to contents; `facts` are plain values of the manifest.
    """

    program: Program
    folding: Folding | None
    build_id: int
    golden_images: NDArray[np.uint8]
    golden_logits: NDArray[np.int64]
    facts: Mapping[str, Any]
    driver: Mapping[str, bytes]
    bitstream: bytes | None = None
    handoff: bytes | None = None
    verilog: str | None = None


def bundle_bytes(
    *,
    program: Program,
    folding: Folding | None,
    build_id: int,
    golden_images: NDArray[np.uint8],
    golden_logits: NDArray[np.int64],
    facts: Mapping[str, Any],
    bitstream: bytes | None = None,
    handoff: bytes | None = None,
    verilog: str | None = None,
) -> bytes:
    """Return a bundle's content, the same bytes for the same parts.

    Args:
        program: The integer program.
        folding: How a dataflow accelerator shares its lanes; None for other architectures.
        build_id: The 64 bits that the hardware answers with.
        golden_images: (N, rows, columns, colours), the program's input.
        golden_logits: (N, classes), what the program gives for them.
        facts: Plain values: accuracies, figures, the trial. They must not change from run to run.
        bitstream: The .bit file, where the design was built.
        handoff: The .hwh file, where the design was built.
        verilog: The accelerator's Verilog.

    Raises:
        DataError: The golden images and logits do not fit the program or one another.
    """
    if not 0 <= build_id < 1 << 64:
        raise DataError(f"build id {build_id} does not fit 64 bits")
    _check_golden(program, golden_images, golden_logits, "bundle")
    parts = {
        "program.fracprog": program_bytes(program),
        "design.json": _json(program.design.to_dict()),
        "folding.json": _json(folding.to_dict() if folding else None),
        "golden_images.u8": golden_images.tobytes(),
        "golden_logits.i32": golden_logits.astype("<i4").tobytes(),
        **{f"{_DRIVER_FOLDER}{name}": content for name, content in _driver_files().items()},
    }
    given = {"verilog": None if verilog is None else verilog.encode(), "bitstream": bitstream, "handoff": handoff}
    for name, content in given.items():
        if content is not None:
            parts[_OPTIONAL[name]] = content
    return pack(parts, {**facts, _BUILD_ID: f"{build_id:016x}"})


def write_bundle(path: Path, **parts: Any) -> str:
    """Write a bundle and return its SHA-256; the file is replaced only once the new one is complete.

    Args:
        path: The bundle's file.
        parts: What `bundle_bytes` takes.

    Raises:
        DataError: The golden images and logits do not fit the program or one another, or the file cannot be written.
    """
    archive = bundle_bytes(**parts)
    try:
        write_whole(path, archive)
    except OSError as error:
        raise DataError(f"bundle '{path}' cannot be written: {error.strerror}") from error
    return hashlib.sha256(archive).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check all of it.

    Raises:
        DataError: The file cannot be read, is no bundle, or a part is missing, changed, unknown or does not fit the
            others.
        ProgramError: Its program is damaged.
    """
    name = f"bundle '{path}'"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BUNDLE + 1)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_BUNDLE:
        raise DataError(f"{name} is larger than {_LARGEST_BUNDLE >> 20} MiB")
    parts, facts = unpack(content, name)
    driver = {part.removeprefix("driver/"): parts.pop(part) for part in list(parts) if part.startswith(_DRIVER_FOLDER)}
    for part in _NEEDED:
        if part not in parts:
            raise DataError(f"{name}: the part '{part}' is missing")
    try:
        program = program_from_bytes(parts.pop("program.fracprog"), f"{name}: program.fracprog")
        design = json.loads(parts.pop("design.json"))
        folding = _folding(program, json.loads(parts.pop("folding.json")))
        images = _golden_images(program, parts.pop("golden_images.u8"))
        logits = np.frombuffer(parts.pop("golden_logits.i32"), "<i4").astype(np.int64)
        logits = logits.reshape(-1, program.design.image.classes)
        build_id = _build_id(facts[_BUILD_ID])
        optional = {field: parts.pop(part, None) for field, part in _OPTIONAL.items()}
        verilog = optional["verilog"].decode() if optional["verilog"] is not None else None
    except KeyError as error:
        raise DataError(f"{name}: a part cannot be read (it lacks {error})") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{name}: a part cannot be read ({error})") from error
    if verilog is not None:
        check_plain_verilog(verilog, f"{name}: accelerator.v")
    if parts:
        raise DataError(f"{name}: unknown part '{min(parts)}'")
    if design != program.design.to_dict():
        raise DataError(f"{name}: design.json is not the design of its program")
    _check_golden(program, images, logits, name)
    return Bundle(
        program, folding, build_id, images, logits, facts, driver, optional["bitstream"], optional["handoff"], verilog
    )


def _folding(program: Program, values: Any) -> Folding | None:
    if program.design.accelerator.architecture == "dataflow":
        return Folding.from_dict(values)
    if values is not None:
        raise ValueError("folding.json holds a folding, which only dataflow accelerators have")
    return None


def _build_id(text: Any) -> int:
    if not isinstance(text, str) or not _BUILD_ID_TEXT.fullmatch(text):
        raise ValueError(f"build id {str(text)[:40]!r}; needed: 16 hexadecimal digits")
    return int(text, 16)


def _golden_images(program: Program, content: bytes) -> NDArray[np.uint8]:
    image = program.design.image
    return np.frombuffer(content, np.uint8).reshape(-1, image.height, image.width, image.colours)


def _check_golden(program: Program, images: NDArray[np.uint8], logits: NDArray[np.int64], name: str) -> None:
    image = program.design.image
    wanted = (len(images), image.height, image.width, image.colours)
    if images.dtype != np.uint8 or images.shape != wanted or logits.shape != (len(images), image.classes):
        raise DataError(
            f"{name}: golden images of shape {images.shape} and logits of shape {logits.shape} do not fit; "
            f"allowed: uint8 (N, {image.height}, {image.width}, {image.colours}) and (N, {image.classes})"
        )


def _driver_files() -> dict[str, bytes]:
    package = files("fracdse")
    return {name: package.joinpath(name).read_bytes() for name in _DRIVER}


def _json(values: Mapping[str, Any] | None) -> bytes:
    return (json.dumps(values, sort_keys=True, indent=1) + "\n").encode("ascii")
