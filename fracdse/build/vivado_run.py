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
from dataclasses import dataclass
from pathlib import Path

from fracdse.build.cache import write_atomically
from fracdse.build.plan import BuildPlan
from fracdse.build.processor import nearest_clock_mhz
from fracdse.build.tools import Tool
from fracdse.build.vivado_plan import STEPS
from fracdse.errors import BuildFailed
from fracdse.reports import Report, read_report

OnLine = Callable[[str], None]

_OUTPUTS = {
    "project": ("project/system.xpr",),
    "synthesis": ("reports/utilization_synth.rpt", "reports/timing_synth.rpt"),
    "implementation": (
        "reports/utilization_placed.rpt",
        "reports/accelerator_placed.rpt",
        "reports/timing_routed.rpt",
        "reports/power_routed.rpt",
        "routed.dcp",
    ),
    "bitstream": ("system.bit", "system.hwh"),
}
_TAIL_LINES = 15


class TimingNotMet(BuildFailed):
    """The routed design is too slow for its clock.

    Args:
        slack_ns: Worst slack, below 0.
        clock_mhz: The clock that was asked for.
        holds_mhz: The nearest clock the device's PLL can make at which the same design holds.
    """

    def __init__(self, slack_ns: float, clock_mhz: float, holds_mhz: float) -> None:
        super().__init__(
            f"timing is not met: worst slack {slack_ns:.3f} ns at {clock_mhz:g} MHz; nothing was packaged",
            hint=f"The nearest clock that holds is {holds_mhz:.4g} MHz: deploy again with --clock {holds_mhz:.4g}.",
        )
        self.slack_ns, self.clock_mhz, self.holds_mhz = slack_ns, clock_mhz, holds_mhz

    def __reduce__(self) -> tuple[object, ...]:
        return (TimingNotMet, (self.slack_ns, self.clock_mhz, self.holds_mhz))


@dataclass(frozen=True)
class VivadoResult:
    """What a finished build left behind.

    Attributes:
        bitstream: The .bit file.
        handoff: The .hwh file that belongs to it.
        system: Utilisation of the whole system, placed.
        accelerator: Utilisation of the accelerator alone, placed.
        timing: Timing summary, routed.
        power: Power report, routed.
    """

    bitstream: Path
    handoff: Path
    system: Report
    accelerator: Report
    timing: Report
    power: Report


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
        on_line: Called with every line that Vivado prints, and with a line a step.

    Raises:
        BuildFailed: A step fails or takes too long, another build works in the folder, or the folder is another plan's.
        TimingNotMet: The routed design is too slow; there is no bitstream then.
        ReportError: A report cannot be read.
    """
    plan.write(folder)
    deadline = time.monotonic() + timeout_s
    with _locked(folder) as lock:
        for step in STEPS:
            if _is_done(folder, step, plan, tool):
                on_line(f"fracdse: step {step} was finished earlier")
            else:
                _run_step(folder, step, plan, tool, lock, deadline, on_line)
            if step == "implementation":
                check_timing(read_report(folder / "reports/timing_routed.rpt"), family, clock_mhz)
    return VivadoResult(
        folder / "system.bit",
        folder / "system.hwh",
        read_report(folder / "reports/utilization_placed.rpt"),
        read_report(folder / "reports/accelerator_placed.rpt"),
        read_report(folder / "reports/timing_routed.rpt"),
        read_report(folder / "reports/power_routed.rpt"),
    )


def check_timing(report: Report, family: str, clock_mhz: float) -> None:
    """Raise TimingNotMet where a timing summary has a negative setup slack, BuildFailed where hold is violated."""
    slack, hold = report.wns_ns, report.whs_ns
    if slack is None:
        raise BuildFailed("the timing report constrains no path: the design has no clock, or no logic")
    if slack < 0:
        limit = 1000 / (1000 / clock_mhz - slack)
        raise TimingNotMet(slack, clock_mhz, nearest_clock_mhz(family, limit))
    if hold is not None and hold < 0:
        raise BuildFailed(f"hold timing is not met: worst slack {hold:.3f} ns; no slower clock mends that")


def _run_step(
    folder: Path, step: str, plan: BuildPlan, tool: Tool, lock: int, deadline: float, on_line: OnLine
) -> None:
    """Run one step; the marks of this and of all later steps go first, so that nothing stale is taken for done."""
    for later in STEPS[STEPS.index(step) :]:
        _marker(folder, later).unlink(missing_ok=True)
    for name in _OUTPUTS[step]:
        (folder / name).unlink(missing_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    on_line(f"fracdse: step {step}")
    log = f"logs/{step}.log"
    command = [*tool.command, "-mode", "batch", "-nojournal", "-notrace", "-log", log, "-source", f"tcl/{step}.tcl"]
    status, tail = _call(command, folder, lock, deadline, on_line)
    missing = [name for name in _OUTPUTS[step] if not (folder / name).is_file()]
    if status != 0 or missing:
        errors = [line for line in tail if line.startswith("ERROR")]
        reason = errors[0] if errors else f"it wrote no {missing[0]}" if missing else f"exit status {status}"
        raise BuildFailed(f"Vivado failed in step {step}: {reason}", hint=f"The log is {folder / log}.")
    write_atomically(_marker(folder, step), _mark(plan, tool))


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


def _marker(folder: Path, step: str) -> Path:
    return folder / "steps" / f"{step}.done"


def _mark(plan: BuildPlan, tool: Tool) -> bytes:
    return f"{plan.digest} Vivado {tool.version}\n".encode()


def _is_done(folder: Path, step: str, plan: BuildPlan, tool: Tool) -> bool:
    marker = _marker(folder, step)
    outputs = all((folder / name).is_file() for name in _OUTPUTS[step])
    return outputs and marker.is_file() and marker.read_bytes() == _mark(plan, tool)
