"""Signs of life of the trials in a database, so that other machines can tell which were interrupted.

The database's own clock stamps and judges them, so clocks of machines need not agree.
"""

from __future__ import annotations

import threading
from types import TracebackType

from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat

from fracdse.search.storage import HEARTBEAT_SECONDS


class Heartbeat:
    """Beats for one trial from `with` to the end of the block; does nothing for storages without heartbeats."""

    def __init__(self, storage: BaseStorage, trial_id: int) -> None:
        self._storage, self._trial_id = storage, trial_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        """Begin, with a first beat at once."""
        if isinstance(self._storage, BaseHeartbeat):
            self._storage.record_heartbeat(self._trial_id)
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
        assert isinstance(self._storage, BaseHeartbeat)
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                self._storage.record_heartbeat(self._trial_id)
            except Exception:
                # The database is away; the next beat tries again, and telling the result reports it if it stays away.
                continue


def stale_trial_ids(storage: BaseStorage, study_id: int) -> set[int]:
    """Return the ids of the running trials whose machine has given no sign of life for the grace period."""
    if not isinstance(storage, BaseHeartbeat):
        return set()
    return set(storage._get_stale_trial_ids(study_id))
