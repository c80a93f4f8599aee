"""`fracdse show`: one design on one screen."""

from __future__ import annotations

import shutil

import click

from fracdse.cli.storage import storage_option


@click.command("show")
@click.argument("trial")
@click.argument("study", required=False)
@click.option("--by", default="knee", show_default=True, help="Rule for 'best': knee, accuracy, fps, lut, …")
@storage_option
def command(trial: str, study: str | None, by: str, storage: str | None) -> None:
    """Show TRIAL (a number, or 'best') of STUDY (a name or folder; the newest if left out)."""
    from rich.console import Console

    from fracdse.cli.chosen import chosen_trial
    from fracdse.results.screen import design_screen
    from fracdse.search.study import open_study

    opened = open_study(study, storage)
    choice = chosen_trial(opened, trial, by)
    rule = choice.rule if trial == "best" else ""
    width = max(shutil.get_terminal_size((110, 24)).columns, 60)
    console = Console(width=width, highlight=False)
    console.print(design_screen(opened.records(), opened.space.objectives, choice.record, rule, opened.name, width))
