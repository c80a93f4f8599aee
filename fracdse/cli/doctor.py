"""`fracdse doctor`: what is installed and found, what each gap prevents, and how to close it."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import asdict

import click

from fracdse.errors import ExitCode

_INDENT = 23
_UNBOUNDED = 10_000  # columns of what is no terminal


@click.command("doctor")
@click.option("--board", metavar="ADDRESS", help="Also try to reach a board: HOST, HOST:PORT or 'local'.")
@click.option("--vivado", metavar="PATH", help="Vivado's program or installation folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(board: str | None, vivado: str | None, as_json: bool) -> None:
    """Look for everything that fracdse can use; succeed when search, report and deploy can run."""
    from fracdse.build.doctor import diagnose, main_job_runs

    findings = diagnose(vivado, board, _reach)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "ok     " if finding.found else "MISSING" if finding.needed else "absent "
            click.echo(_wrapped(f"{mark} {finding.name:<14} ", finding.detail))
            if not finding.found:
                click.echo(_wrapped(f"{'':<{_INDENT}}", f"prevents: {finding.prevents}"))
                click.echo(_wrapped(f"{'':<{_INDENT}}", f"to do: {finding.remedy}"))
    runs = main_job_runs(findings)
    click.echo("Search, report and deploy can run." if runs else "Search, report and deploy cannot all run.", err=True)
    if not runs:
        raise click.exceptions.Exit(ExitCode.TOOL_MISSING)


def _wrapped(start: str, text: str) -> str:
    width = max(shutil.get_terminal_size(fallback=(_UNBOUNDED, 24)).columns, 60)
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=" " * _INDENT, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _reach(address: str) -> str:
    from fracdse.board.connection import board_name, connect

    return board_name(connect(address))
