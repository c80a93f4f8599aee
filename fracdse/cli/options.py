"""What options of several commands share: files to write, and which of them were given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

THREADS = click.IntRange(1, 1024)


class OutputFile(click.Path):
    """The path of a file to write; an empty text, which a path reads as the current folder, is refused."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not os.fspath(value):
            self.fail("the name of a file is missing", param, ctx)
        return super().convert(value, param, ctx)


def is_given(name: str) -> bool:
    """Tell whether the option of the running command that is called `name` in its function was on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def check_goes_with(names: dict[str, str], other: str) -> None:
    """Refuse options that do nothing without another one, which is not there.

    Args:
        names: The options as they are written, by their names in the command's function.
        other: The one that is missing, as it is written.

    Raises:
        UsageError: One of them was on the command line.
    """
    for name, option in names.items():
        if is_given(name):
            raise click.UsageError(f"{option} goes with {other}")
