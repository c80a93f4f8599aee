"""What a terminal shows while Vivado works: every step and error, and on the last line what it is doing."""

from __future__ import annotations

import re
import shutil
import sys

import click

from fracdse.build.vivado_run import OWN_LINE

# Vivado prints thousands of lines, which are all in its log; these are always shown, and these say where it is.
_SERIOUS = ("ERROR", "CRITICAL WARNING")
_MILESTONE = re.compile(r"(Starting|Phase \d+) ")


class VivadoProgress:
    """Takes Vivado's lines: on a terminal the newest replaces the one before, elsewhere only milestones print."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._open = False

    def line(self, text: str) -> None:
        """Show a line, or part of it, or nothing."""
        if text.startswith(OWN_LINE):
            self._keep(text.removeprefix(OWN_LINE))
        elif text.startswith(_SERIOUS) or (not self._terminal and _MILESTONE.match(text)):
            self._keep(text)
        elif self._terminal:
            self._overwrite(text)

    def end(self) -> None:
        """Clear what is still on the last line."""
        if self._open:
            self._overwrite("")
            self._open = False

    def _keep(self, text: str) -> None:
        self.end()
        click.echo(f"  {text}", err=True)

    def _overwrite(self, text: str) -> None:
        width = max(shutil.get_terminal_size().columns - 1, 20)
        shown = f"  {text.strip()}"[:width]
        click.echo(f"\r{shown}{' ' * (width - len(shown))}\r", nl=False, err=True)
        self._open = True
