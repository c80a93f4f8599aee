"""`fracdse report`: a study's trials or its Pareto front, as a table, CSV, JSON, plots or page."""

from __future__ import annotations

from pathlib import Path

import click

from fracdse.cli.options import OutputFile, check_goes_with
from fracdse.cli.storage import storage_option
from fracdse.records import TrialRecord
from fracdse.search.study import Study, open_study
from fracdse.wording import number_of

_PLOT_PANELS = ("bram18", "dsp", "lut", "fps", "ff", "latency_us", "power_w")


@click.command("report")
@click.argument("study", required=False)
@click.option("--pareto", is_flag=True, help="Only the feasible Pareto front.")
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--out", type=OutputFile(), help="Write the table to a file.")
@click.option("--plot", type=OutputFile(), help="Draw the front to a .png, .svg or .pdf file.")
@click.option(
    "--against", multiple=True, type=click.Choice(_PLOT_PANELS), default=("bram18", "dsp"), show_default=True,
    help="What --plot draws accuracy against; give it once a panel.",
)  # fmt: skip
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw every plot that there is data for to a folder.",
)
@click.option("--plot-format", type=click.Choice(["png", "svg", "pdf"]), default="png", show_default=True)
@click.option("--by", default="knee", show_default=True, help="Rule that chooses the design of --plots.")
@click.option("--html", type=OutputFile(), help="Write one self-contained page.")
@storage_option
def command(
    study: str | None,
    pareto: bool,
    format_: str,
    out: Path | None,
    plot: Path | None,
    against: tuple[str, ...],
    plots: Path | None,
    plot_format: str,
    by: str,
    html: Path | None,
    storage: str | None,
) -> None:
    """Show STUDY (a name or folder; the newest if left out)."""
    if plot is None:
        check_goes_with({"against": "--against"}, "--plot")
    if plots is None:
        check_goes_with({"by": "--by", "plot_format": "--plot-format"}, "--plots")
    opened = open_study(study, storage)
    records = opened.records()
    text = _text(opened, records, pareto, format_)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {out}", err=True)
    if plot is not None:
        from fracdse.results.plots.front_plot import plot_front
        from fracdse.results.plots.style import save_figure

        save_figure(plot_front(records, opened.space.objectives, against), plot)
        click.echo(f"Plot: {plot}", err=True)
    if plots is not None:
        _write_plots(opened, records, plots, plot_format, by)
    if html is not None:
        _write_page(opened, records, html)


def _text(opened: Study, records: list[TrialRecord], pareto: bool, format_: str) -> str:
    from fracdse.results.export import to_csv, to_json
    from fracdse.results.front import pareto_front

    objectives = opened.space.objectives
    shown = pareto_front(records, objectives) if pareto else records
    if format_ == "csv":
        return to_csv(shown)
    if format_ == "json":
        return to_json(shown, study=opened.name, pareto=pareto, objectives=dict(objectives)) + "\n"
    trials = number_of(len(records), "trial")
    what = f"Pareto front, {len(shown)} of {trials}" if pareto else trials
    return _as_table(shown, f"Study {opened.name}: {what}", with_state=not pareto)


def _as_table(shown: list[TrialRecord], title: str, *, with_state: bool) -> str:
    import io
    import shutil

    from rich.console import Console

    from fracdse.results.terminal import trials_table

    buffer = io.StringIO()
    width = max(shutil.get_terminal_size((140, 24)).columns, 60)
    Console(file=buffer, width=width).print(trials_table(shown, title, with_state=with_state, width=width))
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


def _write_plots(opened: Study, records: list[TrialRecord], folder: Path, plot_format: str, rule: str) -> None:
    from fracdse.results.plots.all_plots import all_plots
    from fracdse.results.plots.style import save_figure

    for name, figure in all_plots(records, opened.space.objectives, rule):
        path = folder / f"{name}.{plot_format}"
        save_figure(figure, path)
        click.echo(f"Plot: {path}", err=True)


def _write_page(opened: Study, records: list[TrialRecord], path: Path) -> None:
    import platform

    import optuna

    from fracdse.results.html import render_page
    from fracdse.results.page_data import PageContext
    from fracdse.search.command_lines import command_lines

    search = opened.space.search
    facts = {
        "study made by": f"fracdse {opened.version}",
        "page made with": f"Python {platform.python_version()}, Optuna {optuna.__version__}",
        "sampler of the file": search.sampler,
        "seed of the search": f"{search.seed} (each trial's own is shown where trials are compared)",
        "trials of the file": str(search.trials),
        "first trial": min((record.started for record in records if record.started), default="none"),
        "last trial": max((record.finished for record in records if record.finished), default="none"),
    } | {f"command of {line.given.replace('T', ' ')}": line.text for line in command_lines(opened)}
    context = PageContext(
        opened.name, opened.space.objectives, opened.space.to_toml(), list(opened.space.searched), facts
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(records, context), encoding="utf-8")
    click.echo(f"Page: {path}", err=True)
