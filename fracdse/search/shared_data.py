"""A study's training set on disk while workers run: written once by the driver, mapped by every worker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fracdse.search.problem import StudyData
from fracdse.training.data import Dataset


def write_shared_data(folder: Path, data: StudyData) -> None:
    """Write a training set into `folder` as plain NumPy files."""
    np.save(folder / "images.npy", data.train.images, allow_pickle=False)
    np.save(folder / "labels.npy", data.train.labels, allow_pickle=False)
    (folder / "classes.json").write_text(json.dumps(data.train.classes), encoding="utf-8")


def open_shared_data(folder: Path, fingerprint: str) -> StudyData:
    """Map the training set in `folder` into memory, shared with every other worker."""
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    classes = tuple(json.loads((folder / "classes.json").read_text(encoding="utf-8")))
    return StudyData(Dataset(images, labels, classes), fingerprint)
