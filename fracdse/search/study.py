"""Studies: a folder below results/ with the resolved space, what made it, and every trial."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tomllib
import warnings
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import BaseStorage

from fracdse import __version__
from fracdse.errors import StudyError, nearest
from fracdse.figures import HardwareFigures, Kind
from fracdse.file_lock import FileLock
from fracdse.records import TrialRecord
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.locks import DriverLock
from fracdse.search.many_objects import many_objects
from fracdse.search.seeds import REPEATABLE, derived_seed
from fracdse.search.storage import database_storage, file_storage, lacks_its_file, redacted
from fracdse.search.trial_facts import LATER_PREFIX, REUSED, START, VOID, to_record
from fracdse.space import SearchSpace, parse_space
from fracdse.wording import number_of

if TYPE_CHECKING:
    import pandas as pd

RESULTS_FOLDER = Path("results")
META_NAME = "study.json"
SPACE_NAME = "space.toml"
_FORMAT = 1

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class Study:
    """A study: `folder` on this machine, the space it searches, and its trials in `optuna_study`'s storage."""

    folder: Path
    name: str
    space: SearchSpace
    optuna_study: optuna.Study
    storage: BaseStorage

    @property
    def version(self) -> str:
        """The version of fracdse that made the study."""
        return str(self.optuna_study.user_attrs.get("fracdse_version", "unknown"))

    @property
    def in_database(self) -> bool:
        """Tell whether the trials are in a database, which other machines may write at the same time."""
        return not (self.folder / JOURNAL_NAME).exists()

    @property
    def trials(self) -> pd.DataFrame:
        """All trials as a data frame, with units in the names of its columns."""
        from fracdse.results.table import trials_frame

        return trials_frame(self.records())

    def __repr__(self) -> str:
        return (
            f"Study {self.name!r} in {str(self.folder)!r}: "
            f"{number_of(len(self.optuna_study.get_trials(deepcopy=False)), 'trial')}"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from fracdse.results.notebook import study_html

        return study_html(self.name, self.records(), self.space.objectives)

    def records(self) -> list[TrialRecord]:
        """Return every trial that counts, in order of their numbers.

        Raises:
            StudyError: A trial is damaged.
        """
        return self.records_except(())

    def records_except(self, numbers: Container[int]) -> list[TrialRecord]:
        """Return every trial that counts and whose number is not among `numbers`; see `records`."""
        later = self._later()
        trials = self.optuna_study.get_trials(deepcopy=False)
        with many_objects():
            found = (to_record(trial, later.get(trial.number, {})) for trial in trials if trial.number not in numbers)
            return [record for record in found if record is not None]

    def reused(self) -> set[int]:
        """Return the numbers of the trials that were taken over from an earlier study."""
        trials = self.optuna_study.get_trials(deepcopy=False)
        return {trial.number for trial in trials if trial.user_attrs.get(START, {}).get("owner") == REUSED}

    def record(self, number: int) -> TrialRecord:
        """Return one trial.

        Raises:
            StudyError: There is no such trial, or it does not count.
        """
        found = self.find_record(number)
        if found is None:
            raise StudyError(
                f"study '{self.name}' has no trial {number}",
                hint=f"List them: fracdse report {self.name}",
            )
        return found

    def find_record(self, number: int) -> TrialRecord | None:
        """Return one trial, or None where there is no such trial or it does not count."""
        trials = self.optuna_study.get_trials(deepcopy=False)
        return to_record(trials[number], self._later().get(number, {})) if 0 <= number < len(trials) else None

    def record_later(self, number: int, figures: HardwareFigures, kind: Kind | None = None) -> None:
        """Keep figures of a finished trial that came from simulation, synthesis, implementation or the board.

        They are kept by `kind` (by default that of the cycles a frame); figures of the same kind are replaced.

        Raises:
            StudyError: There is no such trial.
        """
        known = [t.number for t in self.optuna_study.get_trials(deepcopy=False) if VOID not in t.user_attrs]
        if number not in known:
            raise StudyError(f"study '{self.name}' has no trial {number}; it has {number_of(len(known), 'trial')}")
        kind = kind or figures.cycles_per_frame.kind
        self.optuna_study.set_user_attr(f"{LATER_PREFIX}{number}:{kind}", figures.to_dict())

    def _later(self) -> dict[int, dict[str, HardwareFigures]]:
        found: dict[int, dict[str, HardwareFigures]] = {}
        for key, plain in self.optuna_study.user_attrs.items():
            if key.startswith(LATER_PREFIX):
                try:
                    number, kind = key.removeprefix(LATER_PREFIX).split(":", 1)
                    found.setdefault(int(number), {})[kind] = HardwareFigures.from_dict(plain)
                except (KeyError, TypeError, ValueError) as error:
                    raise StudyError(
                        f"study '{self.name}' has damaged later figures, '{key}': {error!r}",
                        hint="Run 'fracdse study check' on it.",
                    ) from None
        return found


def create_study(name: str, space: SearchSpace, storage_url: str | None = None) -> Study:
    """Make a study: its folder below results/, and its entry in the database where one is given.

    Raises:
        StudyError: A study of that name exists already, or the folder cannot be made.
    """
    folder = RESULTS_FOLDER / _checked_name(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "create.lock"):
            _create(folder, name, space, storage_url)
    except OSError as error:
        raise StudyError(f"cannot write the study's folder {folder}: {error.strerror}") from None
    return open_study(folder, storage_url)


def _create(folder: Path, name: str, space: SearchSpace, storage_url: str | None) -> None:
    """Write storage, space and, last of all, the file that makes the folder a study."""
    if (folder / META_NAME).exists():
        raise StudyError(
            f"there is a study '{name}' already ({folder})",
            hint="Continue it with --resume, or give another name with --study NAME.",
        )
    storage = file_storage(folder) if storage_url is None else database_storage(storage_url)
    optuna_study = optuna.create_study(
        study_name=name, storage=storage, directions=list(space.objectives.values()), load_if_exists=True
    )
    if not optuna_study.user_attrs:
        for key, value in {"fracdse_version": __version__, "space": space.to_toml()}.items():
            optuna_study.set_user_attr(key, value)
        with warnings.catch_warnings():
            # Names for optuna-dashboard; experimental in Optuna, and nothing here reads them.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna_study.set_metric_names(list(space.objectives))
    _write(folder / SPACE_NAME, space.to_toml())
    write_meta(folder, name, __version__, JOURNAL_NAME if storage_url is None else redacted(storage_url))


def write_meta(folder: Path, name: str, version: str, storage: str) -> None:
    """Write the file that makes a folder a study."""
    meta = {
        "format": _FORMAT,
        "name": name,
        "fracdse_version": version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "storage": storage,
    }
    _write(folder / META_NAME, json.dumps(meta, indent=2) + "\n")


def join_study(name: str, storage_url: str) -> Study:
    """Open a study in a database that another machine may have made, with a folder of its own on this one.

    Raises:
        StudyError: The database has no such study.
    """
    folder = RESULTS_FOLDER / _checked_name(name)
    if not (folder / META_NAME).exists():
        study = _load(folder, name, _database_of(name, storage_url))
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / SPACE_NAME, study.space.to_toml())
        write_meta(folder, name, study.version, redacted(storage_url))
    return open_study(folder, storage_url)


def open_study(path_or_name: str | Path | None = None, storage_url: str | None = None) -> Study:
    """Open a study by its folder or name; None stands for the newest below results/.

    Args:
        path_or_name: A study's folder, a name below results/, or None.
        storage_url: The database's address, for a study that is kept in one; see `redacted` for why it is not stored.

    Raises:
        StudyError: There is no such study, or it is damaged.
    """
    folder = find_study(path_or_name)
    meta = _read_meta(folder)
    if meta["storage"] == JOURNAL_NAME:
        if not (folder / JOURNAL_NAME).is_file():
            raise StudyError(f"{folder} is damaged: {JOURNAL_NAME} is missing")
        with many_objects():
            storage = file_storage(folder)
    else:
        url = storage_url or os.environ.get("FRACDSE_STORAGE")
        if url is None:
            raise StudyError(
                f"study '{meta['name']}' is kept in the database '{meta['storage']}'",
                hint="Give its address with --storage URL, or in the environment variable FRACDSE_STORAGE.",
            )
        storage = _database_of(str(meta["name"]), url, str(meta["storage"]))
    return _load(folder, str(meta["name"]), storage)


def _database_of(name: str, url: str, kept_in: str = "") -> BaseStorage:
    """Open the database that holds a study; one that does not is left as it is, and not made where there is none.

    Args:
        name: The study's name.
        url: The database's address.
        kept_in: The address that the study was made with, where it is known.

    Raises:
        StudyError: The database has no such study.
    """
    storage = None if lacks_its_file(url) else database_storage(url)
    names = [] if storage is None else optuna.get_all_study_names(storage)
    if storage is None or name not in names:
        known = f"; it is kept in '{kept_in}'" if kept_in not in ("", redacted(url)) else nearest(name, names)
        raise StudyError(f"database '{redacted(url)}' has no study '{name}'{known}")
    return storage


def delete_study(folder: Path, storage_url: str | None = None) -> None:
    """Delete a study: its trials in the database, where it has one, and its folder.

    Raises:
        StudyError: The study is being searched.
    """
    with DriverLock(folder / "driver.lock", folder.name):
        if not (folder / JOURNAL_NAME).exists() and _read_meta(folder)["storage"] != JOURNAL_NAME:
            study = open_study(folder, storage_url)
            optuna.delete_study(study_name=study.name, storage=study.storage)
        shutil.rmtree(folder)


def machine_owner(study: Study) -> str:
    """Return a name of this machine's share in a study, kept in its folder: what it was running can be found again."""
    file = study.folder / "machine"
    if not file.exists():
        _write(file, secrets.token_hex(8))
    return file.read_text(encoding="utf-8").strip()


def sampler_seed(study: Study, sampler: str, worker: int) -> int:
    """Return the seed of a sampler.

    One that draws from its seed and the trial's number has the same everywhere; one that goes on drawing from a state
    of its own has another one for every worker, and for every time that the study is gone on with.
    """
    if sampler in REPEATABLE:
        return derived_seed(study.space.search.seed, "sampler")
    existing = len(study.optuna_study.get_trials(deepcopy=False))
    path = (machine_owner(study), worker) if study.in_database else (worker,)
    return derived_seed(study.space.search.seed, "sampler", existing, *path)


def list_studies(results: Path = RESULTS_FOLDER) -> list[Path]:
    """Return the folders of all studies below `results`, the newest last."""
    if not results.is_dir():
        return []
    found = [path for path in results.iterdir() if (path / META_NAME).is_file()]
    return sorted(found, key=lambda path: (_changed(path), path.name))


def unused_name(wanted: str) -> str:
    """Return `wanted`, or `wanted` with the first number behind it that makes it new."""
    names = [wanted, *(f"{wanted}-{index}" for index in range(2, 100_000))]
    return next(name for name in names if not (RESULTS_FOLDER / name / META_NAME).exists())


def _load(folder: Path, name: str, storage: BaseStorage) -> Study:
    try:
        optuna_study = optuna.load_study(study_name=name, storage=storage)
        document = tomllib.loads(str(optuna_study.user_attrs["space"]))
    except (KeyError, ValueError, AssertionError) as error:
        raise StudyError(
            f"study {folder} is damaged: {error!r}", hint="Run 'fracdse study check' to see what is left of it."
        ) from None
    return Study(folder, name, parse_space(document, str(folder / SPACE_NAME)), optuna_study, storage)


def find_study(path_or_name: str | Path | None) -> Path:
    """Return the folder of a study, by name or path; None stands for the newest.

    Raises:
        StudyError: There is no such study.
    """
    known = list_studies()
    if path_or_name is None:
        if not known:
            raise StudyError(f"there is no study below '{RESULTS_FOLDER}'", hint="Start one with: fracdse search.")
        return known[-1]
    for folder in (RESULTS_FOLDER / str(path_or_name), Path(path_or_name)):
        if (folder / META_NAME).is_file():
            return folder
    names = [path.name for path in known]
    raise StudyError(
        f"there is no study '{path_or_name}'{nearest(str(path_or_name), names)}",
        hint=f"Known studies: {', '.join(names) or 'none'}. 'fracdse study list' shows them.",
    )


def _read_meta(folder: Path) -> Mapping[str, Any]:
    try:
        meta = json.loads((folder / META_NAME).read_text(encoding="utf-8"))
        if not is_meta(meta):
            raise ValueError("it lacks a name, a format or a storage")
        if meta["format"] != _FORMAT:
            raise StudyError(
                f"{folder / META_NAME} has format {meta['format']!r}; this fracdse reads {_FORMAT}",
                hint="Open the study with the version of fracdse that made it.",
            )
    except ValueError as error:
        raise StudyError(f"{folder / META_NAME} is damaged: {error}", hint="Run 'fracdse study repair'.") from None
    return dict(meta)


def is_meta(content: object) -> bool:
    """Tell whether the content of a file is one that makes a folder a study, of whatever format."""
    if not isinstance(content, dict) or "format" not in content:
        return False
    return all(isinstance(content.get(name), str) for name in ("name", "storage"))


def _checked_name(name: str) -> str:
    if not name or name.startswith((".", "-")) or not all(c.isalnum() or c in "._-" for c in name):
        raise StudyError(
            f"study name {name!r}: use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return name


def _changed(folder: Path) -> float:
    journal = folder / JOURNAL_NAME
    return (journal if journal.exists() else folder / META_NAME).stat().st_mtime


def _write(path: Path, text: str) -> None:
    """Write a file whole: a reader sees the old text or the new one, never a part."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
