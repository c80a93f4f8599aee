"""Compiling an accelerator's Verilog and a C++ main to a simulator with Verilator; executables are kept by content."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fracdse import registers
from fracdse.build.cache import cache_folder, digest_of
from fracdse.build.cpp_build import CppBuild
from fracdse.build.processes import run_tool
from fracdse.build.sealed_folder import put_sealed, sealed_files
from fracdse.build.tools import find_compiler, find_verilator
from fracdse.errors import BuildFailed

MODEL_CLASS = "Vaccelerator"
_CPP_FOLDER = Path(__file__).with_name("cpp")
_VERILATOR_OPTIONS = (
    "--cc", "--prefix", MODEL_CLASS, "--no-timing", "--no-assert", "-O3", "--x-assign", "fast",
    "--x-initial", "fast", "--output-split", "20000", "--output-split-cfuncs", "2000",
)  # fmt: skip
# Handshakes of the units that the bench can look at when nothing moves any more.
_VISIBLE_FILE, _VISIBLE = (
    "visible.vlt",
    """\
`verilator_config
public_flat_rd -module "accelerator.*" -var "*__valid"
public_flat_rd -module "accelerator.*" -var "*__ready"
""",
)
# Lint that says something is wrong with the hardware; the rest is style that generated Verilog need not have.
_LINT = ("-Wall", "-Wno-DECLFILENAME", "-Wno-UNUSEDSIGNAL", "-Wno-UNUSEDPARAM", "-Wno-fatal")
_FAST, _SLOW = "-O2", "-O0"
_WORTH_PRECOMPILING = 5
_RUNTIME = ("verilated", "verilated_threads")


@dataclass(frozen=True)
class CompileOptions:
    """How to compile.

    Attributes:
        jobs: Compiler processes at once; one a processor, as far as memory allows, where None.
        timeout_s: Longest time of Verilator, and of the compiler.
        cache: Cache folder; the user's where None.
    """

    jobs: int | None = None
    timeout_s: int = 1800
    cache: Path | None = None


def compile_model(
    verilog: Mapping[str, str] | str, main_cpp: str, *, top: str, options: CompileOptions | None = None
) -> Path:
    """Compile Verilog and a C++ main to an executable and return its path; a model compiled before is only looked up.

    The Verilated class is `Vaccelerator`; the main may include `bench.h` (clock, streams and registers, in `cpp/`
    beside this file) and `registers.h` (`REGISTER_…`, `CONTROL_…`, `STATUS_…`, from fracdse/registers.py).

    Args:
        verilog: One text, or texts by file name.
        main_cpp: Text of the C++ file with `main`.
        top: Name of the top module.
        options: How to compile.

    Raises:
        ToolNotFound: Verilator or a C++ compiler is missing.
        BuildFailed: One of them refuses the text or runs out of time.
    """
    options = options or CompileOptions()
    files = {"top.v": verilog} if isinstance(verilog, str) else dict(verilog)
    sources = {
        "main.cpp": main_cpp,
        "registers.h": _register_header(),
        "bench.h": (_CPP_FOLDER / "bench.h").read_text(),
    }
    tools = (find_verilator().version, find_compiler().version)
    everything = [text for pair in sorted({**files, **sources}.items()) for text in pair]
    key = digest_of(*tools, *_VERILATOR_OPTIONS, _VISIBLE, *_flags(), _FAST, _SLOW, top, *everything)
    executable = (options.cache or cache_folder()) / "verilator" / key / "model"
    if sealed_files(executable.parent) != [executable] or not os.access(executable, os.X_OK):
        _build(files, sources, top, executable, options)
    return executable


def lint(verilog: Mapping[str, str] | str, *, top: str, timeout_s: int = 600) -> list[str]:
    """Return Verilator's lint messages on a design, style apart; empty where it is clean.

    Raises:
        ToolNotFound: Verilator is missing.
        BuildFailed: Verilator refuses the text.
    """
    files = {"top.v": verilog} if isinstance(verilog, str) else dict(verilog)
    with tempfile.TemporaryDirectory(prefix="fracdse-lint-") as name:
        folder = Path(name)
        _write(folder, files)
        talk = _verilate(["--lint-only", *_LINT, "--no-timing", "--top-module", top, *files], folder, timeout_s)
    return [line for line in talk.splitlines() if line.startswith("%Warning")]


def _build(
    files: Mapping[str, str], sources: Mapping[str, str], top: str, executable: Path, options: CompileOptions
) -> None:
    """Compile in a folder of its own beside the executable's, and move the executable there when it is done."""
    cache = executable.parent.parent
    cache.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + options.timeout_s
    model = _model_files(files, top, cache, options, deadline)
    runtime = _runtime_objects(cache, options, deadline)
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        _write(folder, sources)
        include = f"-I{model[0].parent}"
        build = CppBuild(find_compiler(), folder, (*_flags(), include), options.jobs, deadline)
        main = build.objects([(folder / "main.cpp", _FAST)])
        objects = [path for path in model if path.suffix == ".o"]
        build.link([*main, *objects, *runtime], folder / "model")
        put_sealed([folder / "model"], executable.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _model_files(
    files: Mapping[str, str], top: str, cache: Path, options: CompileOptions, deadline: float
) -> list[Path]:
    """Return a design's objects and headers, compiled once for whatever main they are linked with."""
    texts = [text for pair in sorted(files.items()) for text in pair]
    tools = (find_verilator().version, find_compiler().version)
    key = digest_of(*tools, *_VERILATOR_OPTIONS, _VISIBLE, *_flags(), _FAST, _SLOW, top, *texts)
    target = cache / f"objects-{key}"
    if (kept := sealed_files(target)) is not None:
        return kept
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        _write(folder, files)
        quiet = ("-Wno-fatal", "-Wno-lint", "-Wno-style")
        (folder / _VISIBLE_FILE).write_text(_VISIBLE)
        arguments = [*_VERILATOR_OPTIONS, *quiet, "--top-module", top, "--Mdir", ".", _VISIBLE_FILE, *files]
        _verilate(arguments, folder, options.timeout_s)
        build = CppBuild(find_compiler(), folder, _flags(), options.jobs, deadline)
        model = [(path, _SLOW if "__Slow" in path.name else _FAST) for path in sorted(folder.glob("*.cpp"))]
        for level in (_FAST, _SLOW):
            if sum(used == level for _, used in model) >= _WORTH_PRECOMPILING:
                build.precompile(f"{MODEL_CLASS}__pch.h", level)
        build.objects(model)
        return put_sealed([path for path in folder.iterdir() if path.suffix in (".o", ".h")], target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _runtime_objects(cache: Path, options: CompileOptions, deadline: float) -> list[Path]:
    """Return the objects of Verilator's runtime library, compiled once a version of Verilator and the compiler."""
    tool = find_verilator()
    key = digest_of(tool.version, find_compiler().version, *_flags())
    target = cache / f"runtime-{key}"
    if (kept := sealed_files(target)) is not None:
        return kept
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    build = CppBuild(find_compiler(), folder, _flags(), options.jobs, deadline)
    try:
        return put_sealed(build.objects([(tool.root / "include" / f"{name}.cpp", _FAST) for name in _RUNTIME]), target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _flags() -> tuple[str, ...]:
    include = find_verilator().root / "include"
    features = ("COVERAGE", "SC", "TIMING", "TRACE", "TRACE_FST", "TRACE_VCD", "TRACE_SAIF")
    return ("-std=c++17", "-w", "-I.", f"-I{include}", f"-I{include}/vltstd", *(f"-DVM_{name}=0" for name in features))


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        if Path(name).name != name:
            raise BuildFailed(f"'{name}' is not a plain file name")
        (folder / name).write_text(text)


def _verilate(arguments: list[str], folder: Path, timeout_s: int) -> str:
    tool = find_verilator()
    environment = {"VERILATOR_ROOT": str(tool.root)}
    return run_tool([*tool.command, *arguments], folder, "Verilator", timeout_s=timeout_s, environment=environment)


def _register_header() -> str:
    values = {f"REGISTER_{register.name}": int(register) for register in registers.Register}
    values |= {name: getattr(registers, name) for name in dir(registers) if name.startswith(("CONTROL_", "STATUS_"))}
    lines = [f"constexpr unsigned {name} = {value};" for name, value in sorted(values.items())]
    return "\n".join(["#pragma once", *lines, ""])
