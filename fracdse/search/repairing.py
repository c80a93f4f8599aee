"""Repair a damaged study; nothing is deleted, what cannot be used is set aside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fracdse import __version__
from fracdse.errors import StudyError
from fracdse.search.checking import is_entry
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.locks import DriverLock
from fracdse.search.study import META_NAME, is_meta, write_meta

# Operation codes of Optuna's journal.
_CREATE_STUDY, _CREATE_TRIAL = 0, 4
_EMPTY_TRIAL = {"op_code": _CREATE_TRIAL, "worker_id": "repair", "study_id": 0, "datetime_start": None}


def repair_study(folder: Path) -> list[str]:
    """Make a study with a damaged journal or a missing description usable again.

    The journal is copied beside itself first. A damaged line is taken out, or, where it made a trial that later
    entries speak of, replaced by one that makes an empty trial, so that trials keep their numbers.

    Returns:
        What was done, a sentence each; empty if nothing had to be.

    Raises:
        StudyError: The study is being searched, or nothing of it can be used.
    """
    journal = folder / JOURNAL_NAME
    if not journal.is_file():
        raise StudyError(f"{folder} has no {JOURNAL_NAME}", hint="A study in a database is repaired by the database.")
    with DriverLock(folder / "driver.lock", folder.name):
        done = _repair_journal(journal)
        return done + _repair_meta(folder, journal)


def _repair_journal(journal: Path) -> list[str]:
    content = journal.read_bytes()
    lines = content.split(b"\n")
    torn, lines = lines[-1], lines[:-1]
    damaged = [index for index, line in enumerate(lines) if not is_entry(line)]
    if not damaged and not torn:
        return []
    kept = _unused(journal.with_suffix(".before-repair"))
    shutil.copy2(journal, kept)
    replaced = _lines_that_made_trials(lines, damaged)
    sound = []
    for index, line in enumerate(lines):
        if index not in damaged:
            sound.append(line)
        elif index in replaced:
            sound.append(json.dumps(_EMPTY_TRIAL).encode())
    part = journal.with_suffix(".part")
    part.write_bytes(b"".join(line + b"\n" for line in sound))
    part.replace(journal)
    return [
        f"copied the journal as it was to {kept.name}",
        f"took {len(damaged) + bool(torn)} damaged lines out of the journal",
        *([f"put an empty trial in place of {len(replaced)} of them"] if replaced else []),
    ]


def _lines_that_made_trials(lines: list[bytes], damaged: list[int]) -> set[int]:
    """Return the damaged lines that must have made trials, because later entries speak of more trials than exist."""
    entries = [json.loads(line) for index, line in enumerate(lines) if index not in set(damaged)]
    made = sum(entry["op_code"] == _CREATE_TRIAL for entry in entries)
    spoken_of = 1 + max((entry["trial_id"] for entry in entries if "trial_id" in entry), default=-1)
    likely_first = sorted(damaged, key=lambda index: b'"op_code":4' not in lines[index])
    return set(likely_first[: max(0, spoken_of - made)])


def _repair_meta(folder: Path, journal: Path) -> list[str]:
    try:
        sound = is_meta(json.loads((folder / META_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        sound = False
    if not sound:
        name = _study_name(journal)
        if (folder / META_NAME).exists():
            (folder / META_NAME).replace(_unused(folder / f"{META_NAME}.damaged"))
        write_meta(folder, name, __version__, JOURNAL_NAME)
        return [f"wrote {META_NAME} anew"]
    return []


def _study_name(journal: Path) -> str:
    for line in journal.read_bytes().split(b"\n"):
        entry: dict[str, Any] = json.loads(line) if is_entry(line) else {}
        if entry.get("op_code") == _CREATE_STUDY and isinstance(entry.get("study_name"), str):
            return str(entry["study_name"])
    raise StudyError(f"{journal} holds no study; there is nothing to repair")


def _unused(path: Path) -> Path:
    names = [path, *(path.with_name(f"{path.name}-{index}") for index in range(2, 1000))]
    return next(name for name in names if not name.exists())
