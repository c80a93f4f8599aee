"""What of the tools and packages is there, what each gap prevents, and how to close it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fracdse.build.cache import cache_folder
from fracdse.build.tools import find_compiler, find_verilator, find_vivado, find_yosys
from fracdse.errors import FracdseError, ToolNotFound

_DISK_NEEDED_GIB = 5
_CORE_PACKAGES = ("amaranth", "numpy", "optuna", "pandas", "pydantic", "scikit-learn", "torch")
_LICENCE_VARIABLES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        name: What was looked for.
        found: Whether it is there and usable.
        detail: Version, place, or what is wrong.
        prevents: What does not work without it.
        remedy: How to close the gap; empty where there is none to close.
        needed: Whether the main job (search, report, deploy to a verified bundle) needs it.
    """

    name: str
    found: bool
    detail: str
    prevents: str = ""
    remedy: str = ""
    needed: bool = True


def diagnose(
    vivado: str | None = None, board: str | None = None, reach: Callable[[str], str] | None = None
) -> list[Finding]:
    """Look for everything that fracdse can use.

    Args:
        vivado: Vivado's program or installation folder.
        board: Address of a board; none is looked for where None.
        reach: Connects to an address and returns what is there, or raises a FracdseError.
    """
    findings = [_python(), *map(_package, _CORE_PACKAGES), _torch_devices()]
    findings += [
        _tool("Yosys", find_yosys, "synthesis, and the Verilog of every deployment"),
        _tool("Verilator", find_verilator, "simulation of the generated hardware"),
        _tool("C++ compiler", find_compiler, "simulation of the generated hardware"),
        _disk(),
        _vivado(vivado),
        _pynq(),
    ]
    return [*findings, _board(board, reach)] if board and reach else findings


def main_job_runs(findings: list[Finding]) -> bool:
    """Tell whether nothing that the main job needs is missing."""
    return all(finding.found for finding in findings if finding.needed)


def _python() -> Finding:
    return Finding(
        "Python", sys.version_info >= (3, 11), f"{platform.python_version()} ({sys.executable})",
        "everything", "Install Python 3.11 or newer.",
    )  # fmt: skip


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", "everything", f"pip install {name}")


def _torch_devices() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("torch devices", False, "no torch", "training", "pip install torch")
    import torch

    devices = [f"CPU, {torch.get_num_threads()} threads"]
    devices += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("torch devices", True, ", ".join(devices))


def _tool(name: str, find: Callable[[], object], prevents: str) -> Finding:
    try:
        tool = find()
    except ToolNotFound as error:
        return Finding(name, False, error.message, prevents, error.hint)
    return Finding(name, True, str(getattr(tool, "version", "")))


def _disk() -> Finding:
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = min(shutil.disk_usage(folder).free, shutil.disk_usage(Path.cwd()).free) / 2**30
    return Finding(
        "disk space", free >= _DISK_NEEDED_GIB, f"{free:.0f} GiB free here and in the cache, {cache_folder()}",
        "long searches and hardware builds", f"Free at least {_DISK_NEEDED_GIB} GiB, or set FRACDSE_CACHE elsewhere.",
    )  # fmt: skip


def _vivado(given: str | None) -> Finding:
    prevents = "bitstreams; everything up to the build plan works without it"
    try:
        tool = find_vivado(given)
    except ToolNotFound as error:
        return Finding("Vivado", False, error.message, prevents, error.hint, needed=False)
    licence = next((f"{name} is set" for name in _LICENCE_VARIABLES if os.environ.get(name)), "")
    licence = licence or "no licence variable set; the devices of the small boards need none"
    return Finding("Vivado", True, f"{tool.version} ({tool.command[0]}); {licence}", needed=False)


def _pynq() -> Finding:
    try:
        return Finding("pynq", True, metadata.version("pynq"), needed=False)
    except metadata.PackageNotFoundError:
        remedy = "pip install 'fracdse[board]'"
        return Finding("pynq", False, "not installed", "boards, real and simulated", remedy, needed=False)


def _board(address: str, reach: Callable[[str], str]) -> Finding:
    prevents, remedy = "deploying to it", "Check power, network and that pynq's remote service runs there."
    try:
        return Finding("board", True, f"{address} is a {reach(address)}", needed=False)
    except FracdseError as error:
        return Finding("board", False, error.message, prevents, error.hint or remedy, needed=False)
