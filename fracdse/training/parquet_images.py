"""Parquet files with one encoded image and one label a row, as public data-set hubs lay them out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import DataError
from fracdse.training.cifar10_files import CLASS_NAMES
from fracdse.training.data import Dataset, Split
from fracdse.training.decoding import decode_all

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("label", "fine_label")
_SPLIT_NAMES = {"train": ("train",), "test": ("test", "validation", "val")}


def recognises(path: Path) -> bool:
    """Tell whether `path` is a folder that has Parquet files, itself or in its folder `data`."""
    return path.is_dir() and bool(_parquet_files(path))


def load(path: Path, split: Split) -> Dataset:
    """Load all files whose names begin with the split's name.

    Raises:
        DataError: No file of the split, a damaged file, a missing column or a damaged image.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [file for file in _parquet_files(path) if file.name.lower().startswith(_SPLIT_NAMES[split])]
    if not files:
        names = ", ".join(file.name for file in _parquet_files(path)[:5])
        raise DataError(f"{path}: no Parquet file whose name begins with '{split}', only {names}")
    contents: list[tuple[str, bytes]] = []
    labels: list[NDArray[np.int64]] = []
    for file in files:
        try:
            table = pq.read_table(file)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
        contents.extend(_encoded_images(table.column(_column(table, _IMAGE_COLUMNS, file)), file))
        labels.append(_labels(table.column(_column(table, _LABEL_COLUMNS, file)), file))
    joined = np.concatenate(labels)
    if not len(joined):
        raise DataError(f"{path}: the Parquet files of '{split}' have no row")
    return Dataset(decode_all(iter(contents), len(contents)), joined, _class_names(joined))


def _parquet_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def _column(table: Any, names: tuple[str, ...], file: Path) -> str:
    for name in names:
        if name in table.column_names:
            return name
    raise DataError(f"{file}: no column {' or '.join(map(repr, names))}, only {', '.join(table.column_names)}")


def _encoded_images(column: Any, file: Path) -> Iterator[tuple[str, bytes]]:
    for row, entry in enumerate(column.to_pylist()):
        content = entry.get("bytes") if isinstance(entry, dict) else entry
        if not isinstance(content, bytes):
            raise DataError(f"{file}: row {row} holds no encoded image")
        yield f"{file.name} row {row}", content


def _labels(column: Any, file: Path) -> NDArray[np.int64]:
    values = column.to_pylist()
    wrong = next(
        (row for row, value in enumerate(values) if not isinstance(value, int) or not 0 <= value < 10_000), None
    )
    if wrong is not None:
        raise DataError(f"{file}: row {wrong} has the label {values[wrong]!r}; allowed: 0 to 9,999")
    return np.array(values, dtype=np.int64)


def _class_names(labels: NDArray[np.int64]) -> tuple[str, ...]:
    """Return CIFAR-10's names for ten classes, else numbers: Parquet stores no names."""
    count = int(labels.max()) + 1
    return CLASS_NAMES if count == len(CLASS_NAMES) else tuple(str(label) for label in range(count))
