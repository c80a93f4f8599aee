"""The part of a deployment that Vivado does: the plan, the build, and its reports kept for calibration."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from fracdse.board.deployment.hardware import GeneratedHardware
from fracdse.board.deployment.request import DeployRequest, Listener
from fracdse.build.plan import BuildPlan
from fracdse.build.tools import find_vivado
from fracdse.build.vivado_plan import vivado_plan
from fracdse.build.vivado_run import run_vivado
from fracdse.build.vivado_steps import VivadoResult, finished_build
from fracdse.design import Design
from fracdse.errors import ToolNotFound
from fracdse.folding import Folding
from fracdse.hardware.devices import load_device
from fracdse.whole_file import write_whole


@dataclass(frozen=True)
class Implementation:
    """A written plan, and its result where it was built: `reports` is the folder that calibration can read."""

    folder: Path
    build: VivadoResult | None = None
    reports: Path | None = None


def implement(request: DeployRequest, hardware: GeneratedHardware, bundle: bytes, listener: Listener) -> Implementation:
    """Write Vivado's plan and, unless only that is wanted, build it or take up what was built elsewhere.

    Args:
        request: The deployment.
        hardware: What is built.
        bundle: What the plan carries beside it: program, driver and golden vectors.
        listener: Who is told.

    Raises:
        ToolNotFound: There is no Vivado, and the plan was not built elsewhere; the plan is written.
        BuildFailed: Vivado fails, or the timing is not met.
        ReportError: A report cannot be read.
    """
    device = load_device(request.design.device)
    clock_mhz = request.design.accelerator.clock_mhz
    plan = vivado_plan(hardware.verilog, hardware.top, device, clock_mhz, {"accelerator.fracdse": bundle})
    folder = request.folder / f"vivado-{plan.digest[:12]}"
    plan.write(folder)
    packed = folder.with_name(f"{folder.name}.tar.gz")
    write_whole(packed, plan.archive())
    listener.say(f"Wrote the build plan, digest {plan.digest[:16]}: {folder} and, packed, {packed}.")
    if request.plan_only:
        return Implementation(folder)
    build = finished_build(plan, folder, family=device.family, clock_mhz=clock_mhz)
    if build is None:
        build = _run(request, plan, folder, listener)
    else:
        listener.say("The plan was built already; taking up the result.")
    return Implementation(folder, build, keep_reports(build, request.design, hardware.folding, request.reports_folder))


def _run(request: DeployRequest, plan: BuildPlan, folder: Path, listener: Listener) -> VivadoResult:
    try:
        tool = find_vivado(request.vivado)
    except ToolNotFound as error:
        hint = (
            f"{error.hint} The plan is in {folder}: its README.txt says how to run it on another machine; copied back "
            "there when built, the same command takes it up."
        )
        raise ToolNotFound(error.message, hint=hint) from error
    listener.say(f"Building with Vivado {tool.version}; its logs are in {folder / 'logs'}.")
    return run_vivado(
        plan, folder, tool, family=load_device(request.design.device).family,
        clock_mhz=request.design.accelerator.clock_mhz, timeout_s=request.time_limit_s, on_line=listener.line,
    )  # fmt: skip


def keep_reports(build: VivadoResult, design: Design, folding: Folding | None, folder: Path) -> Path | None:
    """Put a build's reports where `fracdse calibrate --reports` finds them, named by the design, beside the design.

    Returns:
        The folder; None for an accelerator without a folding, whose model is not refitted on own builds.
    """
    if folding is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    reports = build.bitstream.parent / "reports"
    for name, kept in (
        ("accelerator_synth.rpt", "utilization_synth"),
        ("accelerator_placed.rpt", "utilization_placed"),
        ("timing_routed.rpt", "timing_routed"),
        ("power_routed.rpt", "power_routed"),
    ):
        shutil.copyfile(reports / name, folder / f"{design.key}_{kept}.rpt")
    sidecar = {"design": design.to_dict(), "folding": folding.to_dict()}
    write_whole(folder / f"{design.key}.json", (json.dumps(sidecar, indent=1) + "\n").encode())
    return folder
