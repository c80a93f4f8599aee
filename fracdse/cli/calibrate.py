"""`fracdse calibrate`: read reports, make calibration points, fit the hardware model, check its error."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from fracdse.errors import ConfigError, DataError, ExitCode

if TYPE_CHECKING:
    from fracdse.hardware.calibration.check import CheckRow


@click.command("calibrate")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--show", is_flag=True, help="Print what FILES (reports of Vivado, Vitis HLS or Yosys) say.")
@click.option("--synthesise", type=click.IntRange(1), metavar="N", help="Draw and synthesise units until N are stored.")
@click.option("--simulate", type=click.IntRange(1), metavar="N", help="Draw and simulate networks until N are stored.")
@click.option("--seed", default=1, show_default=True, help="Seed of --synthesise and --simulate.")
@click.option("--jobs", type=click.IntRange(1), help="Processes or threads at once; one a processor if left out.")
@click.option("--family", type=click.Choice(["xcup", "xc7"]), default="xcup", show_default=True)
@click.option("--check", "checked", is_flag=True, help="Print the model's error on points that no fit has seen.")
@click.option(
    "--reports", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Refit on your own builds."
)
@click.option("--format", "format_", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write there; FILE.png draws --check.")
def command(
    files: tuple[Path, ...],
    show: bool,
    synthesise: int | None,
    simulate: int | None,
    seed: int,
    jobs: int | None,
    family: str,
    checked: bool,
    reports: Path | None,
    format_: str,
    out: Path | None,
) -> None:
    """Read tool reports, refit the hardware model, check its error.

    Without an option the coefficients are fitted again on the stored points.
    """
    if sum([show, synthesise is not None, simulate is not None, checked, reports is not None]) > 1:
        raise click.UsageError("--show, --synthesise, --simulate, --check and --reports exclude each other")
    if files and not show:
        raise click.UsageError("FILES go with --show")
    if show:
        _show(files, format_, out)
    elif synthesise is not None:
        _synthesise(synthesise, seed, jobs, family)
    elif simulate is not None:
        _simulate(simulate, seed, jobs)
    elif checked:
        _check(family, format_, out)
    elif reports is not None:
        _refit_on_reports(reports, format_, out)
    else:
        _refit(family)


def _show(files: Sequence[Path], format_: str, out: Path | None) -> None:
    from fracdse.reports import list_reports

    if not files:
        raise click.UsageError("--show needs at least one FILE")
    entries = list_reports(files)
    if format_ == "json":
        _write(json.dumps(entries, indent=1) + "\n", out)
    elif format_ == "csv":
        _write(_csv([{key: value for key, value in entry.items() if key != "notes"} for entry in entries]), out)
    else:
        _write("\n".join(_shown_lines(entry) for entry in entries) + "\n", out)
    if any("error" in entry for entry in entries):
        raise SystemExit(ExitCode.FAILED)


def _shown_lines(entry: dict[str, object]) -> str:
    if "error" in entry:
        return f"{entry['file']}\n    error: {entry['error']}\n    {entry['hint']}"
    known = [f"{name} {value}" for name, value in entry.items() if name not in ("file", "notes") and value is not None]
    notes = (f"note: {note}" for note in cast("list[str]", entry["notes"]))
    return "\n    ".join([str(entry["file"]), ", ".join(known), *notes])


def _synthesise(units: int, seed: int, jobs: int | None, family: str) -> None:
    from fracdse.build.calibration.run import points_file, synthesise_points
    from fracdse.build.yosys import SynthesisOptions

    options = SynthesisOptions(family=family, jobs=jobs)
    points = synthesise_points(units, seed, options, lambda line: click.echo(line, err=True))
    click.echo(f"{len(points)} points in {points_file(family)}; fit them: fracdse calibrate", err=True)


def _simulate(networks: int, seed: int, jobs: int | None) -> None:
    from fracdse.build.calibration.simulate import simulate_networks

    path = simulate_networks(networks, seed, jobs, lambda line: click.echo(line, err=True))
    click.echo(f"The networks are in {path}; the model against them: fracdse calibrate --check", err=True)


def _refit(family: str) -> None:
    from fracdse.hardware.calibration.points import builds_folder, read_points
    from fracdse.hardware.calibration.refit import refit
    from fracdse.hardware.coefficients import hand_counted, write_coefficients

    points = read_points(sorted(builds_folder().glob(f"*-{family}.csv")))
    if not points:
        raise DataError(
            f"there are no points for {family}",
            hint=f"Make some: fracdse calibrate --synthesise 1500 --family {family}",
        )
    base = hand_counted(family)
    path = write_coefficients(refit(points, base, _source(points)))
    click.echo(f"Wrote {path}; its error: fracdse calibrate --check", err=True)


def _source(points: Sequence[object]) -> str:
    return (
        "fracdse calibrate: non-negative least squares on relative errors, networks held out not used; "
        f"{len(points)} points in hw_models/builds"
    )


def _check(family: str, format_: str, out: Path | None) -> None:
    from fracdse.hardware.calibration.check import check
    from fracdse.hardware.calibration.points import builds_folder, read_points
    from fracdse.hardware.coefficients import coefficients_for

    rows = check(read_points(sorted(builds_folder().glob(f"*-{family}.csv"))), coefficients_for(family))
    if out is not None and out.suffix == ".png":
        from fracdse.hardware.calibration.check_plot import plot_check

        plot_check(rows, out)
        click.echo(f"Wrote {out}", err=True)
        out = None
    _write(_rows_as(rows, format_), out)


def _rows_as(rows: Sequence[CheckRow], format_: str) -> str:
    if format_ == "json":
        return json.dumps([row.to_dict() for row in rows], indent=1) + "\n"
    if format_ == "csv":
        return _csv([row.to_dict() for row in rows])
    from fracdse.hardware.calibration.check import check_table

    return check_table(rows)


def _refit_on_reports(folder: Path, format_: str, out: Path | None) -> None:
    from fracdse.hardware.calibration.own_builds import collect_builds, refit_on_builds
    from fracdse.hardware.coefficients import write_coefficients

    builds, notes = collect_builds(folder)
    for note in notes:
        click.echo(note, err=True)
    if not builds:
        raise ConfigError(
            f"{folder}: no report could be tied to a design",
            hint="Name the top module accelerator_KEY, KEY being the design's key, and put KEY.json beside it.",
        )
    for result in refit_on_builds(builds):
        path = write_coefficients(result.coefficients)
        click.echo(f"Wrote {path}", err=True)
        if not result.after:
            click.echo("one build says nothing about its own fit: the interval stays wider than the model's", err=True)
        _write(_rows_as([*result.before, *result.after], format_), out)


def _csv(rows: Sequence[dict[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {out}", err=True)
