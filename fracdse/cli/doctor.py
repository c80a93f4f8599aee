"""`fracdse doctor`: what is installed and found, what each gap prevents, and how to close it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from fracdse.errors import ExitCode


@click.command("doctor")
@click.option("--board", metavar="ADDRESS", help="Also try to reach a board, HOST or HOST:PORT.")
@click.option("--vivado", metavar="PATH", help="Vivado's program or installation folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(board: str | None, vivado: str | None, as_json: bool) -> None:
    """Look for everything that fracdse can use; succeed when search, report and deploy can run."""
    from fracdse.build.doctor import diagnose, main_job_runs

    findings = diagnose(board, vivado)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "ok     " if finding.found else "MISSING" if finding.needed else "absent "
            click.echo(f"{mark} {finding.name:<14} {finding.detail}")
            if not finding.found:
                click.echo(f"{'':<23}prevents: {finding.prevents}")
                click.echo(f"{'':<23}to do: {finding.remedy}")
    runs = main_job_runs(findings)
    click.echo("Search, report and deploy can run." if runs else "Search, report and deploy cannot all run.", err=True)
    if not runs:
        raise click.exceptions.Exit(ExitCode.TOOL_MISSING)
