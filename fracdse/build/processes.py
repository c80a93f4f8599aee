"""Running tools to their end, with a time limit and a Ctrl-C that also end what the tools themselves have started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fracdse.errors import BuildFailed, ToolNotFound

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Children:
    """The tools that some threads have running; once they are stopped, no other is started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    @contextlib.contextmanager
    def running(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a tool in a session of its own; an exception in the block ends it and all that it has started."""
        with self._lock:
            if self._stopped:
                raise BuildFailed(f"'{command[0]}' was not started: the work it belongs to was broken off")
            process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                except BaseException:
                    _kill(process)
                    raise
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        """End all tools that run."""
        self._stopped = True
        with self._lock:
            for process in self._running:
                _kill(process)


_HERE = threading.local()
_OF_NO_POOL = _Children()


def side_by_side(work: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int) -> list[_Result]:
    """Return what `work`, which runs tools, makes of each item, `jobs` items at a time.

    Where one fails or Ctrl-C is pressed, the tools that run are ended first, and the exception is raised then.
    """
    children = _Children()

    def adopt() -> None:
        _HERE.children = children

    pool = ThreadPoolExecutor(max_workers=jobs, initializer=adopt)
    try:
        results = list(pool.map(work, items))
    except BaseException:
        _insist(children.stop)
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
    return results


def run_to_end(
    command: Sequence[str], folder: Path, what: str, *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command in a process group of its own and return its exit status and what it says on both outputs.

    Args:
        command: The argument list; no shell is involved.
        folder: Where it runs.
        what: The tool's name for messages.
        timeout_s: Longest time.
        environment: Variables to set in addition to the present ones.

    Raises:
        BuildFailed: It does not end in time.
        OSError: It cannot be started.
    """
    children: _Children = getattr(_HERE, "children", _OF_NO_POOL)
    with children.running(command, folder, environment or {}) as process:
        try:
            talk, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BuildFailed(f"{what} did not finish within {timeout_s:g} s") from error
    return process.returncode, talk


def run_tool(
    command: Sequence[str], folder: Path, what: str, *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command as `run_to_end` does and return what it says on both outputs.

    Raises:
        ToolNotFound: It cannot be started.
        BuildFailed: It ends with a status other than 0, or does not end in time.
    """
    try:
        status, talk = run_to_end(command, folder, what, timeout_s=timeout_s, environment=environment)
    except OSError as error:
        raise ToolNotFound(
            f"{what} cannot be started: '{command[0]}' ({error.strerror})", hint="`fracdse doctor` looks at every tool."
        ) from error
    if status == 0:
        return talk
    if status < 0:
        raise BuildFailed(f"{what} was killed by signal {-status}", hint="Is memory short?")
    errors = [line for line in talk.splitlines() if "error" in line.lower()] or talk.strip().splitlines()[-1:]
    raise BuildFailed(f"{what} failed: {errors[0] if errors else f'exit status {status}'}")


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process and its group, unless it has ended."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _insist(step: Callable[[], None]) -> None:
    """Take a step however often Ctrl-C is pressed meanwhile."""
    while True:
        try:
            return step()
        except KeyboardInterrupt:
            continue
