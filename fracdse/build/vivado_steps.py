"""What the steps of a Vivado build leave behind: marks, reports, results, and a timing that is met or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fracdse.build.plan import BuildPlan
from fracdse.build.processor import nearest_clock_mhz
from fracdse.errors import BuildFailed
from fracdse.reports import Report, read_report

STEPS = ("project", "synthesis", "implementation", "bitstream")
OUTPUTS = {
    "project": ("project/system.xpr",),
    "synthesis": ("reports/utilization_synth.rpt", "reports/accelerator_synth.rpt", "reports/timing_synth.rpt"),
    "implementation": (
        "reports/utilization_placed.rpt",
        "reports/accelerator_placed.rpt",
        "reports/timing_routed.rpt",
        "reports/power_routed.rpt",
        "routed.dcp",
    ),
    "bitstream": ("system.bit", "system.hwh"),
}
_MARK = re.compile(r"([0-9a-f]{64}) Vivado (\d{4}\.\d+)")
_LONGEST_MARK = 200


class TimingNotMet(BuildFailed):
    """The routed design is too slow for its clock.

    Args:
        slack_ns: Worst slack, below 0.
        clock_mhz: The clock that it was routed for.
        holds_mhz: The nearest clock the device's PLL can make at which the same design holds.
    """

    def __init__(self, slack_ns: float, clock_mhz: float, holds_mhz: float) -> None:
        super().__init__(
            f"timing is not met: worst slack {slack_ns:.3f} ns at {clock_mhz:.5g} MHz; nothing was packaged",
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
        synthesised: Utilisation of the accelerator alone, synthesised.
        system: Utilisation of the whole system, placed.
        accelerator: Utilisation of the accelerator alone, placed.
        timing: Timing summary, routed.
        power: Power report, routed.
    """

    bitstream: Path
    handoff: Path
    synthesised: Report
    system: Report
    accelerator: Report
    timing: Report
    power: Report


def marker(folder: Path, step: str) -> Path:
    """Return the file that says that a step is done; the step's script writes it last."""
    return folder / "steps" / f"{step}.done"


def done_with(folder: Path, step: str, plan: BuildPlan) -> str | None:
    """Return the version of the Vivado that finished a step of this plan, None where none did."""
    path = marker(folder, step)
    if not path.is_file() or not all((folder / name).is_file() for name in OUTPUTS[step]):
        return None
    with path.open(errors="replace") as file:
        found = _MARK.match(file.read(_LONGEST_MARK))
    return found[2] if found and found[1] == plan.digest else None


def finished_build(plan: BuildPlan, folder: Path, *, family: str, clock_mhz: float) -> VivadoResult | None:
    """Return the result of a build whose every step one Vivado has done, here or elsewhere; None where there is none.

    Raises:
        TimingNotMet: The routed design is too slow.
        ReportError: A report cannot be read.
    """
    versions = {done_with(folder, step, plan) for step in STEPS}
    if len(versions) != 1 or None in versions:
        return None
    return read_result(folder, family=family, clock_mhz=clock_mhz)


def read_result(folder: Path, *, family: str, clock_mhz: float) -> VivadoResult:
    """Read the reports of a finished build.

    Raises:
        TimingNotMet: The routed design is too slow.
        ReportError: A report cannot be read.
    """
    timing = read_report(folder / "reports/timing_routed.rpt")
    check_timing(timing, family, clock_mhz)
    return VivadoResult(
        bitstream=folder / "system.bit",
        handoff=folder / "system.hwh",
        synthesised=read_report(folder / "reports/accelerator_synth.rpt"),
        system=read_report(folder / "reports/utilization_placed.rpt"),
        accelerator=read_report(folder / "reports/accelerator_placed.rpt"),
        timing=timing,
        power=read_report(folder / "reports/power_routed.rpt"),
    )


def check_timing(report: Report, family: str, clock_mhz: float) -> None:
    """Check a routed design's timing summary.

    Raises:
        TimingNotMet: The worst setup slack is negative.
        BuildFailed: Hold or a pulse width is violated, or nothing is constrained.
    """
    slack, hold = report.wns_ns, report.whs_ns
    if slack is None:
        raise BuildFailed("the timing report constrains no path: the design has no clock, or no logic")
    if slack < 0:
        # The slack is that of the clock which the PLL could make, not of the one that was asked for.
        period_ns = report.clock_ns or 1000 / clock_mhz
        raise TimingNotMet(slack, 1000 / period_ns, nearest_clock_mhz(family, 1000 / (period_ns - slack)))
    if hold is not None and hold < 0:
        raise BuildFailed(f"hold timing is not met: worst slack {hold:.3f} ns; no slower clock mends that")
    if report.timing_met is False:
        raise BuildFailed(
            f"timing is not met: {report.failing_endpoints} pins fail, by their pulse widths",
            hint="Vivado's timing report lists them; a slower clock with --clock may hold.",
        )
