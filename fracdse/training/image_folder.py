"""Folders of images: one folder a class, with or without `train` and `test` folders around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fracdse.errors import DataError
from fracdse.training.data import Dataset, Split
from fracdse.training.decoding import decode_all

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".gif", ".tif", ".tiff", ".webp"})
_TEST_EVERY = 5
_TEST_NAMES = ("test", "val", "validation")


def recognises(path: Path) -> bool:
    """Tell whether `path` is a folder with sub-folders."""
    return path.is_dir() and bool(_folders(path))


def load(path: Path, split: Split) -> Dataset:
    """Load the images of one split; without a `test` folder, every fifth image of a class by name is its test part.

    Raises:
        DataError: A class has no image or is in the test part only, sizes are mixed, or a file is damaged.
    """
    named = {folder.name.lower(): folder for folder in _folders(path)}
    test_folder = next((named[name] for name in _TEST_NAMES if name in named), None)
    split_by_folder = "train" in named and test_folder is not None
    root = path
    if split_by_folder:
        assert test_folder is not None
        root = named["train"] if split == "train" else test_folder
    classes = _folders(named["train"] if split_by_folder else path)
    names = {folder.name for folder in classes}
    unknown = [folder.name for folder in _folders(root) if folder.name not in names]
    if unknown:
        raise DataError(
            f"{root} has the class '{unknown[0]}', which {named['train']} has not",
            hint="Both folders must have the same classes, spelt alike.",
        )
    files: list[tuple[Path, int]] = []
    for label, folder in enumerate(classes):
        found = _images(root / folder.name)
        if not found:
            raise DataError(
                f"class '{folder.name}' of {root} has no image", hint=f"Suffixes read: {_known_suffixes()}."
            )
        files += [(file, label) for file in (found if split_by_folder else _part(found, split))]
    images = decode_all(((str(file), file.read_bytes()) for file, _ in files), len(files))
    labels = np.array([label for _, label in files], dtype=np.int64)
    return Dataset(images, labels, tuple(folder.name for folder in classes))


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


def _part(files: list[Path], split: Split) -> list[Path]:
    test = files[_TEST_EVERY - 1 :: _TEST_EVERY]
    return test if split == "test" else [file for position, file in enumerate(files, 1) if position % _TEST_EVERY]


def _known_suffixes() -> str:
    return ", ".join(sorted(_SUFFIXES))
