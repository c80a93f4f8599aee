"""Test an unpacked bundle on the board itself, where only NumPy and pynq are installed.

In the folder into which a bundle was unpacked (`tar xf DESIGN.fracdse`), as root, since pynq needs that:

    PYTHONPATH=driver python3 -m fracdse.board.standalone
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fracdse.board.connection import connect
from fracdse.board.proof import BoardReport, Proof, board_text, prove
from fracdse.errors import DataError, FracdseError
from fracdse.system import BOARD_NAMES


def run(folder: Path, address: str) -> BoardReport:
    """Check the parts of an unpacked bundle, load it on a board and compare its golden logits.

    Args:
        folder: Where the bundle was unpacked.
        address: 'local', HOST or HOST:PORT.

    Raises:
        DataError: A part is missing or changed, or there is no bitstream.
        BoardError: As for `prove`.
    """
    manifest_digest = folder / "manifest.sha256"
    if not manifest_digest.is_file():
        raise DataError(f"'{manifest_digest}' is missing: is this an unpacked bundle's folder?")
    _check(folder, "manifest.json", manifest_digest.read_text(encoding="ascii", errors="replace").strip())
    manifest = _json(folder / "manifest.json")
    for name, listed in manifest["parts"].items():
        _check(folder, name, listed["sha256"])
    bitfile = folder / "accelerator.bit"
    if not bitfile.is_file():
        raise DataError("the bundle has no bitstream: it was not built with Vivado")
    design = _json(folder / "design.json")
    image = design["image"]
    shape = (-1, image["height"], image["width"], image["colours"])
    proof = Proof(
        build_id=int(manifest["facts"]["build_id"], 16),
        boards=BOARD_NAMES.get(design["device"], ()),
        clock_mhz=design["accelerator"]["clock_mhz"],
        frames=np.fromfile(folder / "golden_images.u8", np.uint8).reshape(shape),
        logits=np.fromfile(folder / "golden_logits.i32", "<i4").astype(np.int64).reshape(-1, image["classes"]),
    )
    return prove(proof, connect(address), bitfile)


def _check(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise DataError(f"the part '{name}' is missing or was changed", hint="Unpack the bundle again.")


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def main() -> int:
    """Test the bundle in the present folder, on this board or the one whose address is given."""
    try:
        print(board_text(run(Path(), sys.argv[1] if len(sys.argv) > 1 else "local")))
    except FracdseError as error:
        print(f"Error: {error.message}", error.hint, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
