"""`fracdse study`: list, show, check, repair, export and delete studies."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fracdse.cli.options import OutputFile
from fracdse.cli.storage import storage_option
from fracdse.wording import number_of


@click.group("study")
def command() -> None:
    """List, check, repair, export or delete studies."""


@command.command("list")
@storage_option
def list_(storage: str | None) -> None:
    """List the studies below results/, the newest last."""
    from fracdse.errors import FracdseError
    from fracdse.search.study import RESULTS_FOLDER, list_studies, open_study

    folders = list_studies()
    if not folders:
        click.echo(f"There is no study below '{RESULTS_FOLDER}'.", err=True)
    for folder in folders:
        try:
            study = open_study(folder, storage)
            records = study.records()
            click.echo(f"{study.name:<24} {number_of(len(records), 'trial'):>13}  {_states(records)}")
        except FracdseError as error:
            click.echo(f"{folder.name:<24} {error.message}")


@command.command()
@click.argument("study", required=False)
@storage_option
def show(study: str | None, storage: str | None) -> None:
    """Show what STUDY (the newest if left out) is, how far it is, and what searched it."""
    from fracdse.search.command_lines import command_lines
    from fracdse.search.study import open_study

    opened = open_study(study, storage)
    records = opened.records()
    size = opened.space.size
    rows = {
        "study": opened.name,
        "folder": str(opened.folder),
        "made by": f"fracdse {opened.version}",
        "trials": f"{len(records)} (the file asks for {opened.space.search.trials}): {_states(records)}",
        "feasible": str(sum(record.feasible for record in records)),
        "designs": "a continuous space" if size == float("inf") else f"{int(size):,}",
        "objectives": ", ".join(f"{name} ({way})" for name, way in opened.space.objectives.items()),
        "constraints": ", ".join(map(str, opened.space.constraints)) or "none",
        "data": opened.space.data.name,
        "training": f"{sum(sum(record.seconds.values()) for record in records):,.0f} s",
        "commands": ("\n" + " " * 13).join(f"{line.text}  ({line.given})" for line in command_lines(opened)) or "none",
    }
    for name, value in rows.items():
        click.echo(f"{name:<12} {value}")


@command.command()
@click.argument("study", required=False)
@storage_option
def check(study: str | None, storage: str | None) -> None:
    """Check STUDY (the newest if left out); exit code 1 means that something is wrong."""
    from fracdse.errors import StudyError
    from fracdse.search.checking import check_study

    folder = _folder(study)
    findings = check_study(folder, storage)
    for finding in findings:
        click.echo(f"{finding.severity}: {finding.text}")
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        counted = "an error" if errors == 1 else f"{errors} errors"
        hint = f"What can be repaired is, with: fracdse study repair {folder.name}"
        raise StudyError(f"study '{folder.name}' has {counted}", hint=hint)
    click.echo(f"Study '{folder.name}' is clean.", err=True)


@command.command()
@click.argument("study", required=False)
def repair(study: str | None) -> None:
    """Repair STUDY (the newest if left out). Nothing is deleted; what cannot be used is set aside."""
    from fracdse.errors import StudyError
    from fracdse.search.checking import check_study
    from fracdse.search.repairing import repair_study

    folder = _folder(study)
    done = repair_study(folder)
    for sentence in done:
        click.echo(sentence)
    left = [finding.text for finding in check_study(folder) if finding.severity == "error"]
    if left:
        raise StudyError(f"study '{folder.name}' still has errors that repair cannot mend: {'; '.join(left)}")
    if not done:
        click.echo("nothing had to be repaired")


@command.command()
@click.argument("study", required=False)
@click.option("--out", type=OutputFile(), help="The file; standard output if left out.")
@storage_option
def export(study: str | None, out: Path | None, storage: str | None) -> None:
    """Write STUDY (the newest if left out) as one JSON document: space, trials, figures."""
    from dataclasses import asdict

    from fracdse.search.command_lines import command_lines
    from fracdse.search.study import open_study

    opened = open_study(study, storage)
    document = {
        "name": opened.name,
        "fracdse_version": opened.version,
        "commands": [asdict(line) for line in command_lines(opened)],
        "space": opened.space.to_plain(),
        "trials": [asdict(record) for record in opened.records()],
    }
    text = json.dumps(document, indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {out}", err=True)


@command.command()
@click.argument("study")
@click.option("--yes", is_flag=True, help="Do not ask.")
@storage_option
def delete(study: str, yes: bool, storage: str | None) -> None:
    """Delete STUDY for good: its folder and, where it is kept in a database, its trials there."""
    from fracdse.search.study import delete_study

    folder = _folder(study)
    if not yes:
        click.confirm(f"Delete {folder} and everything in it?", abort=True, err=True)
    delete_study(folder, storage)
    click.echo(f"Deleted {folder}", err=True)


def _folder(study: str | None) -> Path:
    """Return the folder of a study, also of one too damaged to be opened."""
    from fracdse.search.study import RESULTS_FOLDER, find_study

    for folder in (RESULTS_FOLDER / study, Path(study)) if study else ():
        if (folder / "journal.log").is_file():
            return folder
    return find_study(study)


def _states(records: list) -> str:  # type: ignore[type-arg]
    states = [record.state for record in records]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none yet"
