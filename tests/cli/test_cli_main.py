"""The command line itself: help without imports, typos, exit codes, broken pipes."""

import subprocess
import sys

import pytest

from fracdse.cli.main import COMMANDS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fracdse", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_every_command_and_imports_no_torch() -> None:
    code = """
import sys
from fracdse.cli.main import cli
cli.main(["--help"], standalone_mode=False)
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"  {name}" in done.stdout


def test_a_typo_names_the_nearest_command() -> None:
    done = run("serch")
    assert done.returncode == 2
    assert "No such command 'serch' (did you mean 'search'?)" in done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_an_option_that_would_do_nothing_is_refused() -> None:
    done = run("board", "test", __file__, "--board", "sim", "--limit", "3")
    assert done.returncode == 2
    assert "--limit goes with --data" in done.stderr


def test_an_error_is_a_message_with_its_exit_code_and_no_traceback() -> None:
    done = run("estimate", "no-such-design.toml")
    assert done.returncode not in (0, 1)
    assert "Traceback" not in done.stderr
    assert "no-such-design.toml" in done.stderr
