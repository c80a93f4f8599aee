"""Running a Vivado plan step by step: resumable, within a time limit, and never past a timing that is not met."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from fracdse.build.plan import BuildPlan
from fracdse.build.tools import Tool
from fracdse.build.vivado_steps import OUTPUTS, STEPS, VivadoResult, check_timing, done_with, marker, read_result
from fracdse.errors import BuildFailed
from fracdse.reports import read_report

OnLine = Callable[[str], None]
# How lines begin that are this program's and not Vivado's.
OWN_LINE = "fracdse: "

_TAIL_LINES = 15


def run_vivado(
    plan: BuildPlan, folder: Path, tool: Tool, *, family: str, clock_mhz: float, timeout_s: float, on_line: OnLine
) -> VivadoResult:
    """Run every step of a plan that is not done yet and return the result.

    Args:
        plan: From `vivado_plan`.
        folder: Where it is built; a later call with the same plan goes on where an earlier one ended.
        tool: Vivado.
        family: Device family, for the clocks that it can make.
        clock_mhz: The clock the plan was made for.
        timeout_s: Longest time of this call.
        on_line: Called with every line that Vivado prints, and, beginning with OWN_LINE, with a line a step and, where
            one fails, Vivado's last lines.

    Raises:
        BuildFailed: A step fails or takes too long, another build works in the folder, or the folder is another plan's.
        TimingNotMet: The routed design is too slow; there is no bitstream then.
        ReportError: A report cannot be read.
    """
    plan.write(folder)
    deadline = time.monotonic() + timeout_s
    with _locked(folder) as lock:
        for step in STEPS:
            if done_with(folder, step, plan) == tool.version:
                on_line(f"{OWN_LINE}step {step} was finished earlier")
            else:
                _run_step(folder, step, plan, tool, lock, deadline, on_line)
            if step == "implementation":
                check_timing(read_report(folder / "reports/timing_routed.rpt"), family, clock_mhz)
    return read_result(folder, family=family, clock_mhz=clock_mhz)


def _run_step(
    folder: Path, step: str, plan: BuildPlan, tool: Tool, lock: int, deadline: float, on_line: OnLine
) -> None:
    """Run one step; the marks of this and of all later steps go first, so that nothing stale is taken for done."""
    for later in STEPS[STEPS.index(step) :]:
        marker(folder, later).unlink(missing_ok=True)
    for name in OUTPUTS[step]:
        (folder / name).unlink(missing_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    on_line(f"{OWN_LINE}step {step}, {STEPS.index(step) + 1} of {len(STEPS)}")
    log = f"logs/{step}.log"
    command = [*tool.command, "-mode", "batch", "-nojournal", "-notrace", "-log", log, "-source", f"tcl/{step}.tcl"]
    status, tail = _call(command, folder, lock, deadline, on_line)
    missing = [name for name in OUTPUTS[step] if not (folder / name).is_file()]
    if status != 0 or missing or done_with(folder, step, plan) is None:
        on_line(f"{OWN_LINE}Vivado's last lines:")
        for line in tail:
            on_line(f"{OWN_LINE}  {line}")
        where = f"The log is {folder / log}."
        if killed_by := _killing_signal(status):
            raise BuildFailed(
                f"Vivado was killed by signal {killed_by} in step {step}", hint=f"Is memory short? {where}"
            )
        errors = [line for line in tail if line.startswith("ERROR")]
        reason = errors[0] if errors else f"it wrote no {missing[0]}" if missing else f"exit status {status}"
        raise BuildFailed(f"Vivado failed in step {step}: {reason}", hint=where)


def _killing_signal(status: int) -> int:
    """Return the signal that ended Vivado, or, as a shell says it, what `bin/vivado` has started; 0 if none did."""
    return -status if status < 0 else max(status - 128, 0)


def _call(command: list[str], folder: Path, lock: int, deadline: float, on_line: OnLine) -> tuple[int, deque[str]]:
    """Run Vivado, hand on its lines and return (exit status, last lines).

    It inherits the lock: should this program be killed, the folder stays locked as long as Vivado still works in it.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    late = threading.Event()
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True, pass_fds=(lock,),
    ) as process:  # fmt: skip

        def stop() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(max(0.0, deadline - time.monotonic()), stop)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                tail.append(line.rstrip("\n"))
                on_line(tail[-1])
            status = process.wait()
        except BaseException:
            stop()
            raise
        finally:
            timer.cancel()
    if late.is_set():
        raise BuildFailed("Vivado did not finish within the time limit", hint="Run the same command again to go on.")
    return status, tail


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int]:
    with (folder / "build.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildFailed(
                f"another build works in {folder}", hint="Wait for it, or end it: a Vivado may be left of a killed run."
            ) from error
        yield file.fileno()
