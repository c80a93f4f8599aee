"""Running a Yosys script in a process of its own, under a time limit."""

from __future__ import annotations

from pathlib import Path

from fracdse.build.processes import run_tool
from fracdse.build.tools import find_yosys

# The process ends itself so long after its time is over: only where nobody is left to kill it.
_ORPHAN_S = 5


def run_script(script: str, folder: Path, what: str, timeout_s: int) -> None:
    """Run a script in a folder that holds the files it reads.

    Args:
        script: Yosys commands, one a line.
        folder: Where it runs and writes.
        what: What Yosys works on, for messages.
        timeout_s: Longest time.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys refuses something, is killed, or does not end in time.
    """
    (folder / "script.ys").write_text(script)
    command = [*find_yosys().command, str(timeout_s + _ORPHAN_S), "script.ys"]
    run_tool(command, folder, f"Yosys on {what}", timeout_s=timeout_s)
