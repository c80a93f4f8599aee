"""Files of tensors: written whole, and read without running code in them or trusting what they claim to hold."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fracdse.errors import DataError
from fracdse.whole_file import write_whole

LARGEST_FILE_BYTES = 2**30
_ZIP_BEGINS = b"PK\x03\x04"
_REAL_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE_TYPES = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a file of tensors without running any code in it.

    Raises:
        DataError: The file is missing, too large, truncated, or holds anything but tensors and plain values.
    """
    if not path.is_file():
        raise DataError(f"'{path}' does not exist or is not a file")
    _check_size(path, path.stat().st_size)
    try:
        _check_size(path, _unpacked_bytes(path))
        with path.open("rb") as file, warnings.catch_warnings():
            # torch warns of unusual pickles before it refuses them; the error below says enough.
            warnings.simplefilter("ignore")
            values = torch.load(file, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise DataError(
            f"'{path}' cannot be read as a file of tensors: {_reason(error)}",
            hint="It may be truncated, or hold objects other than tensors, which are never loaded.",
        ) from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        what = "a table with keys that are no text" if isinstance(values, dict) else f"a {type(values).__name__}"
        raise DataError(f"'{path}' holds {what}, not a table of tensors")
    return values


def save_tensors(path: Path, values: Mapping[str, Any]) -> None:
    """Write tensors and plain values to a file that is replaced as a whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(values), buffer)
    write_whole(path, buffer.getvalue())


def plain_tensor(value: object, like: Tensor, what: str) -> Tensor:
    """Return a value read from a file if it is a dense tensor of the kind of numbers, real or whole, that `like` holds.

    Raises:
        DataError: It is something else; `what` names it.
    """
    if not isinstance(value, Tensor):
        raise DataError(f"{what} is of type {type(value).__name__}, not a tensor")
    if value.is_nested or value.is_quantized or value.layout != torch.strided or value.device.type != "cpu":
        raise DataError(
            f"{what} is a sparse, quantised, nested or valueless tensor; allowed: a dense one of plain numbers"
        )
    allowed = _REAL_TYPES if like.is_floating_point() else _WHOLE_TYPES
    if value.dtype not in allowed:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
        raise DataError(f"{what} holds numbers of type {str(value.dtype).removeprefix('torch.')}; allowed: {names}")
    return value


def check_numbers(name: str, value: Tensor, what: str) -> None:
    """Raise DataError if an entry of a state dict holds a number that no trained network has there."""
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise DataError(f"{what} holds values that are not finite numbers")
    if name.endswith("running_var") and bool((value < 0).any()):
        raise DataError(f"{what} holds a negative variance; allowed: 0 or more")


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST_FILE_BYTES:
        raise DataError(f"'{path}' takes {size} bytes; at most {LARGEST_FILE_BYTES} are read")


def _unpacked_bytes(path: Path) -> int:
    """Return what the records of a zip archive take unpacked; 0 for torch's older files, which are no archives."""
    with path.open("rb") as file:
        if file.read(len(_ZIP_BEGINS)) != _ZIP_BEGINS:
            return 0
    with zipfile.ZipFile(path) as archive:
        return sum(record.file_size for record in archive.infolist())


def _reason(error: Exception) -> str:
    """Return why a file was refused; what torch says of a pickle is advice to trust it, which nobody should follow."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds objects other than tensors and plain values"
    first = (str(error).strip().splitlines() or [""])[0]
    return first or type(error).__name__
