"""Running a tool to its end, with a time limit that also ends what the tool itself has started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fracdse.errors import BuildFailed


def run_tool(
    command: Sequence[str], folder: Path, what: str, *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command in a process group of its own and return what it says on both outputs.

    Args:
        command: The argument list; no shell is involved.
        folder: Where it runs.
        what: The tool's name for messages.
        timeout_s: Longest time.
        environment: Variables to set in addition to the present ones.

    Raises:
        BuildFailed: It ends with a status other than 0, or does not end in time.
    """
    variables = {**os.environ, **(environment or {})}
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            talk, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise BuildFailed(f"{what} did not finish within {timeout_s:g} s") from error
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode == 0:
        return talk
    if process.returncode < 0:
        raise BuildFailed(f"{what} was killed by signal {-process.returncode}", hint="Is memory short?")
    errors = [line for line in talk.splitlines() if "error" in line.lower()] or talk.strip().splitlines()[-1:]
    raise BuildFailed(f"{what} failed: {errors[0] if errors else f'exit status {process.returncode}'}")
