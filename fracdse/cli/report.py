"""`fracdse report`: a study's trials or its Pareto front, as a table, CSV, JSON, plot or page."""

from __future__ import annotations

from pathlib import Path

import click

from fracdse.records import TrialRecord
from fracdse.search.study import Study, open_study


@click.command("report")
@click.argument("study", required=False)
@click.option("--pareto", is_flag=True, help="Only the feasible Pareto front.")
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw accuracy against BRAM and DSP.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page.")
def command(
    study: str | None, pareto: bool, format_: str, out: Path | None, plot: Path | None, html: Path | None
) -> None:
    """Show STUDY (a name or folder; the newest if left out)."""
    from fracdse.results.export import to_csv, to_json
    from fracdse.results.front import pareto_front

    opened = open_study(study)
    everything = opened.records()
    objectives = opened.space.objectives
    shown = pareto_front(everything, objectives) if pareto else everything
    if format_ == "table":
        text = _as_table(shown, opened.name, pareto, len(everything))
    elif format_ == "csv":
        text = to_csv(shown)
    else:
        text = to_json(shown, study=opened.name, pareto=pareto, objectives=dict(objectives)) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {out}", err=True)
    if plot is not None:
        from fracdse.results.plots import plot_front, save_figure

        save_figure(plot_front(everything, objectives), plot)
        click.echo(f"Plot: {plot}", err=True)
    if html is not None:
        _write_page(opened, everything, html)


def _as_table(shown: list[TrialRecord], name: str, pareto: bool, total: int) -> str:
    import io
    import shutil

    from rich.console import Console

    from fracdse.results.terminal import trials_table

    title = f"Study {name}: Pareto front, {len(shown)} of {total} trials" if pareto else f"Study {name}: {total} trials"
    buffer = io.StringIO()
    width = max(shutil.get_terminal_size((140, 24)).columns, 60)
    Console(file=buffer, width=width).print(trials_table(shown, title, with_state=not pareto))
    return buffer.getvalue()


def _write_page(opened: Study, records: list[TrialRecord], path: Path) -> None:
    from fracdse.results.html import PageContext, render_page

    facts = {"study made by": f"fracdse {opened.version}", "search seed": str(opened.space.search.seed)}
    context = PageContext(
        opened.name, opened.space.objectives, opened.space.to_toml(), list(opened.space.searched), facts
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(records, context), encoding="utf-8")
    click.echo(f"Page: {path}", err=True)
