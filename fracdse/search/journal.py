"""The journal file of a study: Optuna's format, with a lock that survives `kill -9` and repair of a torn last line."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from fracdse.errors import StudyError
from fracdse.search.locks import FileLock

JOURNAL_NAME = "journal.log"


class StudyJournal(JournalFileBackend):
    """Optuna's journal file with every append whole: what an interrupted write left behind is set aside first."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=FileLock(path.with_suffix(".lock")))
        self._path = path

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from `log_number_from` on.

        Raises:
            StudyError: A line before the last is damaged.
        """
        try:
            yield from super().read_logs(log_number_from)
        except ValueError as error:
            raise StudyError(
                f"{self._path} is damaged: {error}",
                hint="Run 'fracdse study check' for the place, and 'fracdse study repair' to set damaged lines aside.",
            ) from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, all or none.

        Raises:
            OSError: The disk is full or the file cannot be written; nothing of the entries stays in the file.
        """
        with FileLock(self._path.with_suffix(".lock")):
            text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in logs).encode()
            with self._path.open("r+b") as file:
                end = _cut_torn_line(file, self._path)
                try:
                    file.seek(end)
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), end)
                    raise


def _cut_torn_line(file: Any, path: Path) -> int:
    """Move what follows the last line end to a file beside the journal, and return the journal's size."""
    end: int = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end
    file.seek(0)
    content: bytes = file.read()
    whole = content.rfind(b"\n") + 1
    with path.with_suffix(".torn").open("ab") as aside:
        aside.write(content[whole:] + b"\n")
    file.truncate(whole)
    return whole
