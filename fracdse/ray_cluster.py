"""The connection to a Ray cluster: joined by address or started on this machine, and watched while it is used."""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fracdse.errors import ConfigError, ExitCode, StudyError, ToolNotFound

_HERE = "local"
_PROBE_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 1.0
_GIVEN_UP_AFTER_SECONDS = 10.0


@dataclass(frozen=True)
class RayShares:
    """Where Ray is (None starts one on this machine) and what share of a machine a trial or a worker takes."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0


class RayCluster:
    """A Ray cluster for the length of a `with` block; `ray` is the module.

    Args:
        address: Where the cluster's head listens, such as '10.0.0.1:6379'; None takes Ray's own variable RAY_ADDRESS,
            and where that is not set starts a Ray on this machine, which listens on the loopback interface alone.

    Raises:
        ToolNotFound: Ray is not installed.
        StudyError: There is no cluster at the address.
    """

    def __init__(self, address: str | None) -> None:
        address = address or os.environ.get("RAY_ADDRESS") or _HERE
        if address == _HERE:
            # Ray reads this when it is imported; without it, a local Ray listens on every interface.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        self.ray = _import_ray()
        self._joined_here = _connect(self.ray, address)
        self._head = str(self.ray.get_runtime_context().gcs_address)
        self._looked = self._seen = time.monotonic()
        # Ray prints what it has to say about its nodes to standard output, which is for results.
        self._no_output = contextlib.redirect_stdout(sys.stderr)
        self._no_output.__enter__()

    def check(self) -> None:
        """Raise StudyError if the cluster's head has not answered for a while.

        Ray itself waits for a minute and then ends the process that waits with it, without giving it a word.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_SECONDS:
            return
        self._looked = now
        if _answers(self._head):
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _GIVEN_UP_AFTER_SECONDS:
            self._abandon()
            raise StudyError(
                f"the Ray cluster went away: its head at {self._head} does not answer",
                hint="Finished trials are kept. Start the cluster again and continue with --resume.",
            )

    @property
    def answers(self) -> bool:
        """Tell whether the head answered when it was last looked at; calls that ask it would block otherwise."""
        return self._seen >= self._looked

    def slots(self, shares: RayShares) -> int:
        """Return how many times the living nodes hold what `shares` asks for, which may change at any time."""
        return sum(_slots(node["Resources"], shares) for node in self.ray.nodes() if node["Alive"])

    def require(self, shares: RayShares, count: int = 1) -> None:
        """Raise ConfigError if the cluster is too small to hold `count` times what `shares` asks for."""
        held = self.slots(shares)
        if held < count:
            asked = f"{shares.cpus:g} CPUs and {shares.gpus:g} GPUs"
            raise ConfigError(
                f"no node of the Ray cluster has {asked}"
                if not held
                else f"the Ray cluster holds {held} times {asked}, not {count} times",
                hint="Ask for less with --cpus and --gpus, or for fewer --workers.",
            )

    def close(self) -> None:
        """Leave the cluster, and stop it if it was started here."""
        try:
            if self._joined_here:
                self.ray.shutdown()
        finally:
            self._no_output.__exit__(None, None, None)

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _abandon(self) -> None:
        """Leave without a goodbye: Ray would wait for the head that is gone, then end the process or crash it."""
        self._joined_here = False
        atexit.unregister(self.ray._private.worker.shutdown)
        atexit.register(_exit_at_once)


def _exit_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.FAILED)


def _slots(resources: Mapping[str, float], shares: RayShares) -> int:
    slots = resources.get("CPU", 0.0) / shares.cpus
    if shares.gpus:
        slots = min(slots, resources.get("GPU", 0.0) / shares.gpus)
    return math.floor(slots)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_SECONDS):
            return True
    except OSError:
        return False


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ToolNotFound("Ray is not installed", hint="Install it with: pip install 'fracdse[cluster]'.") from None
    return ray


def _connect(ray: Any, address: str) -> bool:
    """Connect to a cluster, or start one; return whether that was done here."""
    if ray.is_initialized():
        return False
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({"include_dashboard": False} if address == _HERE else {}),
        )
    except Exception as error:  # Ray raises plain ones where a node does not come up in time.
        said = str(error).splitlines()[0]
        if address == _HERE:
            raise StudyError(f"Ray does not start on this machine: {said}") from None
        raise StudyError(
            f"there is no Ray cluster at {address!r}: {said}",
            hint="Start one with 'ray start --head', or leave --address out to start a local one. If the cluster asks "
            "for a token, set RAY_AUTH_MODE=token.",
        ) from None
    return True
