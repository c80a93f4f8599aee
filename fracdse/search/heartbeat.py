"""Signs of life of the trials in a database, so that other machines can tell which were interrupted.

The database's own clock stamps and judges them, so clocks of machines need not agree.
"""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType

from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import TrialHeartbeatModel, TrialModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError

from fracdse.search.patience import patiently
from fracdse.search.storage import HEARTBEAT_SECONDS

CONFIRMATION_SECONDS = HEARTBEAT_SECONDS + 5


class Heartbeat:
    """Beats for one trial from `with` to the end of the block; does nothing for storages without heartbeats."""

    def __init__(self, storage: BaseStorage, trial_id: int) -> None:
        self._storage, self._trial_id = storage, trial_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        """Begin, with a first beat at once."""
        storage = self._storage
        if isinstance(storage, RDBStorage):
            patiently(lambda: _beat_once(storage, self._trial_id))
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _beat(self) -> None:
        assert isinstance(self._storage, RDBStorage)
        while not self._over.wait(HEARTBEAT_SECONDS):
            # Where the database is away the next beat tries again, and telling the result reports it if it stays away.
            with contextlib.suppress(Exception):
                _beat_once(self._storage, self._trial_id)


class LifeWatch:
    """Judges which running trials of a database nobody works on any more.

    A trial is suspected once its last beat is older than the grace period, and dead once it is still silent a beat and
    some seconds after this process first suspected it: a database that was away for long, and let nobody beat, makes
    every trial look dead at first. A trial without any beat, whose machine died before the first, is given one.
    """

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._suspected_since: dict[int, float] = {}

    @property
    def suspects_any(self) -> bool:
        """Tell whether any trial was suspected at the last look."""
        return bool(self._suspected_since)

    def dead(self) -> set[int]:
        """Look, and return the ids of the trials that are dead."""
        storage = self._storage
        if not isinstance(storage, RDBStorage):
            return set()
        patiently(lambda: _give_first_beats(storage, self._study_id))
        now = time.monotonic()
        silent = storage._get_stale_trial_ids(self._study_id)
        self._suspected_since = {trial: self._suspected_since.get(trial, now) for trial in silent}
        return {trial for trial, since in self._suspected_since.items() if now - since > CONFIRMATION_SECONDS}


def _give_first_beats(storage: RDBStorage, study_id: int) -> None:
    with _create_scoped_session(storage.scoped_session) as session:
        query = (
            session.query(TrialModel.trial_id)
            .outerjoin(TrialHeartbeatModel, TrialHeartbeatModel.trial_id == TrialModel.trial_id)
            .filter(TrialModel.study_id == study_id, TrialModel.state == TrialState.RUNNING)
            .filter(TrialHeartbeatModel.trial_id.is_(None))
        )
        without = [row[0] for row in query.all()]
    for trial_id in without:
        _beat_once(storage, trial_id)


def _beat_once(storage: RDBStorage, trial_id: int) -> None:
    """Record a beat; that another process records a trial's first beat at the same time is as good."""
    with contextlib.suppress(IntegrityError):
        storage.record_heartbeat(trial_id)
