"""Optuna's database storage, made to outlast a database that is away, and to start each design once.

A search writes from many places: asking, telling, its display, the watch over other workers. All of them go through
here, so none of them ends, or leaves a trial half begun, because the server was started anew at that moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel, TrialUserAttributeModel
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from fracdse.search.patience import patiently

# Whatever Optuna's cache in front of the storage calls, and what is called past it. Signs of life are not among them:
# one that fails is followed by the next.
_PATIENT = (
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
    "get_study_system_attrs", "get_all_studies", "set_study_user_attr", "set_study_system_attr", "_create_new_trial",
    "_set_trial_param", "set_trial_user_attr", "set_trial_system_attr", "get_trial", "_get_trials",
    "get_trial_id_from_study_id_trial_number", "_get_stale_trial_ids",
)  # fmt: skip
_SILENCE_SECONDS = 120
# How soon a connection is given up whose other end is gone without a word: a machine without power, a cut cable.
_LIMITS: dict[str, dict[str, Any]] = {
    "psycopg": {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": _SILENCE_SECONDS * 1000,
    },
    "pymysql": {"connect_timeout": 10, "read_timeout": _SILENCE_SECONDS, "write_timeout": _SILENCE_SECONDS},
}


class Database(RDBStorage):
    """A database whose every call is tried again while the server is away; see `patiently`.

    A call whose answer was lost with the connection is repeated although it was carried out. Writing a fact twice is
    harmless. A trial made twice, or taken from the queue by a process that did not hear of it, gives no sign of life
    and is put back like any other that was interrupted.
    """

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set a trial's state; that an earlier try has done so already is as good."""
        tries = itertools.count()
        change = super().set_trial_state_values

        def once() -> bool:
            is_repeated = next(tries) > 0
            try:
                return change(trial_id, state, values)
            except UpdateFinishedTrialError:
                if is_repeated and self.get_trial(trial_id).state == state:
                    return True
                raise

        return patiently(once)

    def start_unless(self, study_id: int, trial_id: int, key: str, facts: Any, is_taken: Callable[[], bool]) -> bool:
        """Write `facts` as an attribute of a trial unless `is_taken`; no other process does the same meanwhile.

        The study's row is locked and the attribute written in one transaction, so a process or a server that is
        killed here leaves either both behind or nothing.
        """

        def once() -> bool:
            with Session(self.engine) as session, session.begin():
                StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
                if is_taken():
                    return False
                self._set_trial_attr_without_commit(session, TrialUserAttributeModel, trial_id, key, facts)
                return True

        return patiently(once)


def _outlasting(name: str) -> Callable[..., Any]:
    def call(self: Database, *args: Any, **options: Any) -> Any:
        return patiently(lambda: getattr(super(Database, self), name)(*args, **options))

    return call


for _name in _PATIENT:
    setattr(Database, _name, _outlasting(_name))


def connection_limits(url: str) -> dict[str, Any]:
    """Return the limits for connections to the database at `url`, but for those that the address sets itself."""
    parts = make_url(url)
    limits = _LIMITS.get(parts.get_driver_name(), {})
    return {name: value for name, value in limits.items() if name not in parts.query}
