"""Where the trials of a study are kept: a journal file in the study's folder, or a database."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache
from pathlib import Path

from optuna.distributions import json_to_distribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage

from fracdse.errors import ConfigError, StudyError, ToolNotFound
from fracdse.search.journal import JOURNAL_NAME, StudyJournal

HEARTBEAT_SECONDS = 20
GRACE_SECONDS = 90


def file_storage(folder: Path) -> BaseStorage:
    """Open the journal of a study's folder, making it where there is none.

    Raises:
        StudyError: The journal is damaged.
    """
    _parse_distributions_once()
    try:
        return JournalStorage(StudyJournal(folder / JOURNAL_NAME))
    except (KeyError, TypeError, ValueError, IndexError, AssertionError) as error:
        raise StudyError(
            f"{folder / JOURNAL_NAME} is damaged: {error!r}",
            hint="Run 'fracdse study check' and 'fracdse study repair'.",
        ) from None


@cache
def _parse_distributions_once() -> None:
    """Let Optuna parse each distribution of a journal once, not for every parameter of every trial.

    They are never changed, so trials can share them: a journal of 20,000 trials opens in two thirds of the time.
    """
    from optuna.storages.journal import _storage

    vars(_storage)["json_to_distribution"] = lru_cache(maxsize=4096)(json_to_distribution)


def database_storage(url: str) -> BaseStorage:
    """Open the database at `url`, such as 'postgresql+psycopg://user@host/name'.

    Raises:
        ConfigError: The address cannot be read.
        ToolNotFound: The database's driver is not installed.
        DatabaseAway: The database cannot be reached.
    """
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    from fracdse.search.database import Database, connection_limits
    from fracdse.search.patience import DatabaseAway

    # A connection a call: none is left open, and none outlives a restart of the server.
    try:
        with warnings.catch_warnings():
            # Heartbeats are marked experimental; the pinned version has them.
            warnings.simplefilter("ignore", ExperimentalWarning)
            address = with_driver(url)
            return Database(
                address,
                engine_kwargs={"poolclass": NullPool, "connect_args": connection_limits(address)},
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
            )
    except (ModuleNotFoundError, ImportError):
        raise ToolNotFound(
            f"the database driver for '{redacted(url)}' is not installed",
            hint="Install it with: pip install 'fracdse[cluster]'.",
        ) from None
    except ArgumentError:
        raise ConfigError(
            "--storage is no database address",
            hint="Write for example postgresql://user@host/database; a password is best left to ~/.pgpass.",
        ) from None
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        said = str(getattr(cause, "orig", "") or type(cause).__name__).strip().splitlines()
        raise DatabaseAway(f"database '{redacted(url)}': {without_secret(said[0], url)}") from None


def lacks_its_file(url: str) -> bool:
    """Tell whether `url` is of an SQLite file that does not exist, which opening it would make."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return False
    named = parts.database or ":memory:"
    is_file = parts.get_backend_name() == "sqlite" and named != ":memory:" and not named.startswith("file:")
    return is_file and not Path(named).exists()


def with_driver(url: str) -> str:
    """Return the address with the driver that the extra 'cluster' brings, where none is named."""
    scheme, separator, rest = url.partition("://")
    drivers = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    return f"{drivers.get(scheme, scheme)}{separator}{rest}"


def redacted(url: str) -> str:
    """Return a database address without its password and options, fit to be printed and stored."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return "database"
    return parts.set(password=None, query={}).render_as_string(hide_password=True)


def without_secret(text: str, url: str) -> str:
    """Return `text` with the password of `url` blanked, should a driver have repeated it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        password = make_url(url).password
    except (ArgumentError, ValueError):
        return "(not shown)"
    return text.replace(str(password), "***") if password else text
