"""Outlast a database that is slow, restarting or out of reach for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError

from fracdse.errors import StudyError

_T = TypeVar("_T")
_LONGEST_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 300.0


def patiently(call: Callable[[], _T], patience_seconds: float = PATIENCE_SECONDS) -> _T:
    """Return what `call` returns, trying again with growing pauses while the database fails.

    `call` must do no harm when it is repeated after a part of it was done.

    Raises:
        StudyError: The database still fails after `patience_seconds`.
    """
    begin, pause = time.monotonic(), 0.2
    while True:
        try:
            return call()
        except StorageInternalError:
            if time.monotonic() - begin + pause > patience_seconds:
                raise StudyError(
                    f"the study's database did not answer for {patience_seconds:.0f} s",
                    hint="Finished trials are kept. Start the database and continue with --resume.",
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
