"""Ctrl-C while tools run: slow stand-ins for them, and nothing of them goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fracdse.build.processes import run_tool, side_by_side
from fracdse.errors import BuildFailed, ExitCode, ToolNotFound

# A tool that starts a tool of its own and lasts for two minutes.
SLOW = "#!/bin/sh\nif [ \"$1\" = -V ]; then echo 'Yosys slow 1'; exit 0; fi\necho $$ > started\nsleep 120 & sleep 120\n"
SYNTHESIS = """\
from fracdse.build.yosys import SynthesisOptions, synthesise_modules
from fracdse.cli import main

def call(standalone_mode):
    from click.exceptions import Abort
    try:
        synthesise_modules(
            ["module \\\\m%d\\n  wire width %d input 1 \\\\a\\nend\\n" % (i, i) for i in range(1, 40)],
            SynthesisOptions(jobs=2),
        )
    except KeyboardInterrupt:
        raise Abort from None

main.cli.main = call
main.main()
"""


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def in_folders_below(folder: Path) -> list[str]:
    """Return the command lines of the processes that work below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("presses", [1, 4])
def test_ctrl_c_ends_synthesis_at_once_and_leaves_no_orphans(tmp_path, presses):
    work = tmp_path / "work"
    work.mkdir()
    variables = {
        "FRACDSE_YOSYS": str(script(tmp_path / "slow-yosys", SLOW)), "TMPDIR": str(work), "FRACDSE_CACHE": str(work)
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", SYNTHESIS], env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(work.glob("*/started"))) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        assert in_folders_below(work)
        pressed = time.monotonic()
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, talk = process.communicate(timeout=30)
    assert process.returncode == 130 or presses > 1, talk
    assert time.monotonic() - pressed < 10  # moments; a busy machine takes longer
    deadline = time.monotonic() + 10  # a killed process is gone a little later
    while left := in_folders_below(work):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_results_come_in_order_and_a_failure_ends_the_others(tmp_path):
    assert side_by_side(lambda item: run_tool(["echo", item], tmp_path, "echo", timeout_s=60), ["b", "a"], 2) == [
        "b\n", "a\n"
    ]  # fmt: skip
    began = time.monotonic()
    with pytest.raises(BuildFailed, match="the tool failed"):
        side_by_side(
            lambda seconds: run_tool(
                ["sh", "-c", f"sleep {seconds}; exit 1"], tmp_path, "the tool", timeout_s=90
            ), [0, 60, 60], 2,
        )  # fmt: skip
    assert time.monotonic() - began < 30


def test_a_tool_that_cannot_be_started_is_missing(tmp_path):
    broken = script(tmp_path / "tool", "#!/nowhere/sh\n")
    for program in (str(broken), str(tmp_path / "none")):
        with pytest.raises(ToolNotFound, match="the tool cannot be started") as caught:
            run_tool([program], tmp_path, "the tool", timeout_s=10)
        assert caught.value.exit_code == ExitCode.TOOL_MISSING
