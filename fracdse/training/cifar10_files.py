"""CIFAR-10 as its authors distribute it: the binary version and the Python version.

The Python version is made of pickles; they are read by an unpickler that admits NumPy arrays and nothing else.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import DataError
from fracdse.training.data import Dataset, Split

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_PIXELS = 3 * 32 * 32
_LARGEST_FILE_BYTES = 64 << 20
_NESTED_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def recognises(path: Path) -> bool:
    """Tell whether `path` holds batches of either version, itself or in the folder that the archive unpacks to."""
    return _find(path) is not None


def load(path: Path, split: Split) -> Dataset:
    """Load all batches of one split.

    Raises:
        DataError: A batch is missing, has the wrong size, or is a pickle of something else than arrays.
    """
    found = _find(path)
    if found is None:
        raise DataError(f"{path} holds no CIFAR-10 batches")
    folder, suffix = found
    names = _TRAIN_BATCHES if split == "train" else ("test_batch",)
    read = _binary_batch if suffix else _pickled_batch
    batches = [read(folder / f"{name}{suffix}", _content(folder / f"{name}{suffix}")) for name in names]
    planes = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([labels for _, labels in batches])
    return Dataset(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels, CLASS_NAMES)


def _find(path: Path) -> tuple[Path, str] | None:
    for nested in _NESTED_FOLDERS:
        for suffix in (".bin", ""):
            folder = path / nested
            if any((folder / f"{name}{suffix}").is_file() for name in (*_TRAIN_BATCHES, "test_batch")):
                return folder, suffix
    return None


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise DataError(f"{file} is missing")
    if file.stat().st_size > _LARGEST_FILE_BYTES:
        raise DataError(f"{file} has {file.stat().st_size} bytes; a CIFAR-10 batch has at most {_LARGEST_FILE_BYTES}")
    return file.read_bytes()


def _binary_batch(file: Path, content: bytes) -> Batch:
    if not content or len(content) % (1 + _PIXELS):
        raise DataError(f"{file}: {len(content)} bytes are not a whole number of {1 + _PIXELS}-byte records")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(file, records[:, 1:], records[:, 0].astype(np.int64))


def _pickled_batch(file: Path, content: bytes) -> Batch:
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        pixels = batch[b"data"] if b"data" in batch else batch["data"]
        labels = np.asarray(batch[b"labels"] if b"labels" in batch else batch["labels"], dtype=np.int64)
    except DataError as error:
        raise DataError(f"{file}: {error.message}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{file}: not a CIFAR-10 batch: {type(error).__name__}: {error}") from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise DataError(f"{file}: 'data' is not an array of {_PIXELS} bytes a row")
    return _checked(file, pixels, labels)


def _checked(file: Path, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Batch:
    if labels.shape != (len(pixels),):
        raise DataError(f"{file}: {len(pixels)} images but labels of shape {labels.shape}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(CLASS_NAMES):
        raise DataError(f"{file}: labels from {labels.min()} to {labels.max()}; allowed: 0 to 9")
    return pixels, labels


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler whose only known names are those that a pickled NumPy array of numbers needs."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _number_dtype,
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy._core.multiarray", "_reconstruct"): _empty_array,
            ("_codecs", "encode"): _latin1_bytes,
        }
        if (module, name) not in allowed:
            raise DataError(f"the pickle asks for {module}.{name}; only NumPy arrays are admitted")
        return allowed[module, name]


def _empty_array(*_: object) -> NDArray[np.uint8]:
    """Stand in for NumPy's own, which would allocate whatever shape the file asks for; the state sets the real one."""
    return np.empty((0,), dtype=np.uint8)


def _number_dtype(code: object, *_: object) -> np.dtype[Any]:
    name = code.decode("ascii") if isinstance(code, bytes) else str(code)
    dtype = np.dtype(name)
    if dtype.hasobject or dtype.itemsize > 8:
        raise DataError(f"the pickle asks for arrays of {dtype}; only numbers are admitted")
    return dtype


def _latin1_bytes(text: str, _: str) -> bytes:
    return text.encode("latin1")
