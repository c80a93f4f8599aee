"""The command line in the test's own process, which is quicker than one of its own."""

from __future__ import annotations

import sys
from unittest.mock import patch

import pytest

from fracdse.cli.main import main


def fracdse_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, output and errors."""
    code = 0
    with patch.object(sys, "argv", ["fracdse", *arguments]):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err
