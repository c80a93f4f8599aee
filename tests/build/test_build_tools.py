"""Programs that are named by relative paths, or that are not what they should be."""

import shutil
from pathlib import Path

import pytest

from fracdse.build.tools import find_compiler, find_verilator, find_vivado, find_yosys
from fracdse.build.yosys_script import run_script
from fracdse.errors import ExitCode, ToolNotFound


@pytest.mark.parametrize(
    ("variable", "program", "find"),
    [
        ("FRACDSE_YOSYS", "/bin/false", find_yosys),
        ("FRACDSE_VERILATOR", "/bin/true", find_verilator),
        ("FRACDSE_VERILATOR", "/bin/false", find_verilator),
        ("CXX", "/bin/false", find_compiler),
        ("FRACDSE_VIVADO", "/bin/false", find_vivado),
    ],
)
def test_a_program_that_fails_or_says_nothing_is_no_tool(monkeypatch, variable, program, find):
    monkeypatch.setenv(variable, program)
    with pytest.raises(ToolNotFound, match=f"{program} .*does not run") as caught:
        find()
    assert caught.value.exit_code == ExitCode.TOOL_MISSING


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_program_that_prints_what_is_no_text_is_no_vivado(tmp_path):
    program(tmp_path / "bin" / "vivado", "printf '\\377\\376'")
    with pytest.raises(ToolNotFound, match="names no Vivado version") as caught:
        find_vivado(tmp_path)
    assert "the right program?" in caught.value.hint


def test_relative_paths_lead_to_the_same_program_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program(tmp_path / "bin" / "yosys", "case $1 in -V) echo Yosys 0.99;; *) touch was-here;; esac")
    program(tmp_path / "bin" / "verilator", f"case $1 in --getenv) echo {tmp_path};; *) echo Verilator 5;; esac")
    program(tmp_path / "bin" / "vivado", "echo vivado v2023.2")
    program(tmp_path / "bin" / "g++", f'exec {shutil.which("g++")} "$@"')
    monkeypatch.setenv("FRACDSE_YOSYS", "bin/yosys")
    monkeypatch.setenv("FRACDSE_VERILATOR", "bin/verilator")
    monkeypatch.setenv("CXX", "bin/g++")
    assert find_verilator().command == (str(tmp_path / "bin" / "verilator"),)
    assert find_compiler().command == (str(tmp_path / "bin" / "g++"),)
    assert find_vivado(".").command == find_vivado("bin/vivado").command == (str(tmp_path / "bin" / "vivado"),)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    run_script("help", folder, "nothing", 60)
    assert (folder / "was-here").exists()
