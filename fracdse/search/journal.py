"""The journal file of a study: Optuna's format, with a lock that survives `kill -9` and repair of a torn last line."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from fracdse.errors import StudyError
from fracdse.file_lock import FileLock
from fracdse.search.journal_entries import folded, parsed_entry
from fracdse.search.locks import JournalLock

JOURNAL_NAME = "journal.log"


class StudyJournal(JournalFileBackend):
    """Optuna's journal file, read fast, with every append whole: what an interrupted write left is set aside first."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=JournalLock(path.with_suffix(".lock")))
        self._path = path
        self._yielded = self._lines_read = self._bytes_read = 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Yield the entries from `log_number_from` on; of those read together, the ones of a new trial as one.

        A last line without an end is being written, or was torn, and is not an entry yet.

        Raises:
            StudyError: A line is damaged.
        """
        if log_number_from < self._yielded:
            self._yielded = self._lines_read = self._bytes_read = 0
        entries = self._new_entries()
        for entry in folded(entries) if self._yielded == 0 else entries:
            self._yielded += 1
            if self._yielded > log_number_from:
                yield entry

    def _new_entries(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(self._bytes_read)
            for line in file:
                if self._bytes_read + len(line) > size or not line.endswith(b"\n"):
                    return
                self._bytes_read += len(line)
                self._lines_read += 1
                yield self._parsed(line)

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            return parsed_entry(line)
        except ValueError as error:
            raise StudyError(
                f"{self._path}, line {self._lines_read} is damaged: {error}",
                hint="Run 'fracdse study check', and 'fracdse study repair' to set damaged lines aside.",
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
