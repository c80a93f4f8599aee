"""Program of a Yosys process: `python -P yosys_process.py PROGRAM SECONDS SCRIPT`, started in a session of its own.

PROGRAM is the path of a yosys, or `pyosys` for the Python package.

Yosys runs in a child of this process and starts yosys-abc as a child of its own. When the time is over, the alarm here
ends all of them: also where the program that started it was killed and can no longer do so.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run a Yosys script for at most the given number of seconds and return its exit status."""
    program, seconds, script = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    child = os.fork()
    if not child:
        _run(program, script)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(os.getpgid(0), signal.SIGKILL))
    signal.alarm(seconds)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _run(program: str, script: str) -> None:
    """Run the script and end the process; the log is dropped, errors go to stderr."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if program != "pyosys":
        os.execv(program, [program, "-q", "-s", script])
    from pyosys import libyosys

    libyosys.run_pass(f"script {script}", libyosys.Design())
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
