"""The `fracdse` command: finds the sub-command, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from fracdse import __version__
from fracdse.errors import ExitCode, FracdseError, nearest

# Sub-command → what it does, for `fracdse --help`. Its click command is `command` in the module of fracdse.cli with its
# name, which is imported only when it is called.
COMMANDS = {
    "search": "Search a space: proxy training coupled with the hardware model.",
    "report": "Show a study: its trials, its Pareto front, plots and a page.",
    "show": "Show one design on one screen.",
    "deploy": "Take a design from full training to verified hardware.",
    "estimate": "Compute the hardware figures of one design.",
    "train": "Train one design in full.",
    "evaluate": "Measure the accuracy of a trained design.",
    "import": "Import a network that was trained elsewhere.",
    "calibrate": "Read tool reports, refit the hardware model, check its error.",
    "study": "List, check, repair, export or delete studies.",
    "board": "Serve a bundle as a simulated board, or test a real one.",
    "dashboard": "Watch a study in the browser.",
    "doctor": "Say what is installed, and what each gap prevents.",
}
_MODULES = {"import": "import_"}


class _LazyGroup(click.Group):
    """A group that imports a sub-command's module only when that sub-command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fracdse.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # What a terminal of another encoding cannot show becomes '?'.
    try:
        # Outside standalone mode click returns the code of `ctx.exit(code)` instead of exiting with it.
        code = cli.main(standalone_mode=False)
        if isinstance(code, int):
            sys.exit(code)
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
