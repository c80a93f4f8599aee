"""Compile the C kernels for the processor at hand, once, and load them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.c")
# No -ffast-math: it changes how the whole process treats denormals, and what not-a-number compares to.
_FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-std=gnu11")
_COMPILE_SECONDS = 120


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or None where there is no compiler or they cannot be compiled or kept.

    The library is kept in the user's cache folder, under a name made from the source, the flags, the processor and the
    OpenMP that it shares. The environment variable FRACDSE_NATIVE=0 switches the kernels off.
    """
    if os.environ.get("FRACDSE_NATIVE") == "0":
        return None
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None or platform.system() != "Linux":
        return None
    try:
        openmp = _loaded_openmp()
        path = _cache_folder() / f"kernels-{_fingerprint(compiler, openmp)}.so"
        if not path.is_file():
            _compile(compiler, openmp, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fracdse"


def _loaded_openmp() -> str | None:
    """Return the file of the OpenMP that torch computes with, or None.

    The kernels must use the same threads: those of a second OpenMP would wait for cores on which torch's idle threads
    still spin.
    """
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    found = sorted(path for path in mapped if re.match(r"lib(gomp|iomp|omp)\W", Path(path).name))
    return found[0] if found else None


def _fingerprint(compiler: str, openmp: str | None) -> str:
    cpu = Path("/proc/cpuinfo")
    described = [line for line in cpu.read_text().splitlines() if line.startswith(("flags", "model name"))][:2]
    text = "\n".join([SOURCE.read_text(), compiler, openmp or "", *_FLAGS, *described])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compile(compiler: str, openmp: str | None, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        compiled, built = Path(folder) / "kernels.o", Path(folder) / "kernels.so"
        _call([compiler, *_FLAGS, *(["-fopenmp"] if openmp else []), "-c", str(SOURCE), "-o", str(compiled)])
        # Without -fopenmp here, which would link the compiler's own.
        _call([compiler, "-shared", str(compiled), "-o", str(built), *([openmp] if openmp else []), "-lm"])
        built.replace(path)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_SECONDS)
