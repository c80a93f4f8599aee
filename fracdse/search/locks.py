"""Locks between processes of one machine; the kernel frees them when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from optuna.storages.journal._file import BaseJournalFileLock

from fracdse.errors import StudyError
from fracdse.file_lock import FileLock

ASK_LOCK = "ask.lock"  # In a study's folder: held by whoever chooses a trial's design, or puts trials back.


class JournalLock(FileLock, BaseJournalFileLock):
    """The lock that Optuna takes for its journal."""


class DriverLock:
    """The right to drive a study: taken by one process at a time, and shared with the workers that it starts."""

    def __init__(self, path: Path, study_name: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StudyError(
                f"study '{study_name}' is being searched by another process (process {holder})",
                hint="Wait for it, stop it, or start a study of another name with --study NAME.",
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self.descriptor = descriptor

    def __enter__(self) -> DriverLock:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
