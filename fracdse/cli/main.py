"""The `fracdse` command: finds the sub-command, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys

import click

from fracdse import __version__
from fracdse.errors import ExitCode, FracdseError, nearest

# Sub-command → module under fracdse.cli with a click command `command`; imported only when called.
COMMANDS = {
    "search": "search",
    "report": "report",
    "deploy": "deploy",
    "estimate": "estimate",
    "show": "show",
    "train": "train",
    "evaluate": "evaluate",
    "import": "import_",
    "calibrate": "calibrate",
    "study": "study",
    "board": "board",
    "dashboard": "dashboard",
    "doctor": "doctor",
}


class _LazyGroup(click.Group):
    """A group that imports a sub-command's module only when that sub-command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"fracdse.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"No such command '{args[0]}'{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FRACDSE"})
@click.version_option(__version__, prog_name="fracdse")
def cli() -> None:
    """Search, report and deploy fractional binary neural networks on small FPGAs."""


def main() -> None:
    """Run the command line; the console script's entry point."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_say("Stopped.", "", 130))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except FracdseError as error:
        sys.exit(_say(f"Error: {error.message}", error.hint, error.exit_code))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.DONE)
    except OSError as error:
        sys.exit(_say(f"Error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), "", ExitCode.FAILED))


def _say(message: str, hint: str, code: int) -> int:
    click.echo(message, err=True)
    if hint:
        click.echo(hint, err=True)
    return int(code)
