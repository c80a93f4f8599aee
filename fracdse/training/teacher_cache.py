"""Trained teachers in a folder: named by what decides them, trained once by whoever comes first, the oldest dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fracdse.errors import DataError
from fracdse.file_lock import FileLock
from fracdse.network.folder import load_state
from fracdse.network.network import FractionalNetwork
from fracdse.network.tensor_file import load_tensors, save_tensors

LARGEST_CACHE_BYTES = 1 << 30


@contextmanager
def teacher_place(folder: Path | None, name: str) -> Iterator[Path | None]:
    """Give the place of the teacher called `name`, to this process alone until the block ends; None without a folder.

    A second process that needs the same teacher waits here for the first one to train it, and finds it then.
    """
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"teacher-{name}.pt"
    with FileLock(place.with_suffix(".lock")):
        yield place


def read_teacher(file: Path, network: FractionalNetwork) -> bool:
    """Load a kept teacher into `network`; False where the file is damaged, or was dropped a moment ago."""
    try:
        load_state(network, load_tensors(file), str(file))
    except DataError:
        return False
    return True


def keep_teacher(place: Path, network: FractionalNetwork) -> None:
    """Keep a teacher, and drop those that were not used for longest where all together are larger than allowed."""
    save_tensors(place, network.state_dict())
    sizes = {file: file.stat() for file in place.parent.glob("teacher-*.pt")}
    room = LARGEST_CACHE_BYTES
    for file in sorted(sizes, key=lambda file: (file == place, sizes[file].st_mtime_ns), reverse=True):
        room -= sizes[file].st_size
        if room < 0 and file != place:
            file.unlink(missing_ok=True)
            file.with_suffix(".lock").unlink(missing_ok=True)


def note_use(place: Path) -> None:
    """Mark a kept teacher as used now."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return  # Another process dropped it; this one has it in memory.
