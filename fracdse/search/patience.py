"""Outlast a database that is slow, restarting or out of reach for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError

from fracdse.errors import StudyError

_T = TypeVar("_T")
_LONGEST_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 300.0


class DatabaseAway(StudyError):
    """The study's database does not answer; it may in a moment."""


def patiently(call: Callable[[], _T], hear: Callable[[str], None] | None = None) -> _T:
    """Return what `call` returns, trying again with growing pauses while the database fails.

    `call` must do no harm when it is repeated after a part of it was done; `hear` is told why, once.

    Raises:
        StudyError: The database still fails after `PATIENCE_SECONDS`.
    """
    begin, pause = time.monotonic(), 0.2
    while True:
        try:
            return call()
        except (StorageInternalError, DBAPIError, DatabaseAway) as error:
            reason = _reason(error)
            if time.monotonic() - begin + pause > PATIENCE_SECONDS:
                raise StudyError(
                    f"the study's database has failed for {PATIENCE_SECONDS:.0f} s: {reason}",
                    hint="Finished trials are kept. Put the database right and continue with --resume.",
                ) from None
        if hear is not None:
            hear(reason)
            hear = None
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _reason(error: Exception) -> str:
    """Return the driver's own words, without the statement and its values."""
    if isinstance(error, DatabaseAway):
        return error.message
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    said = str(getattr(cause, "orig", "") or type(cause).__name__).strip()
    return said.splitlines()[0]
