"""`fracdse deploy`: take a design from a study all the way to verified hardware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fracdse.cli.chosen import chosen_trial
from fracdse.cli.cluster import cluster_options, trainer
from fracdse.cli.storage import storage_option

if TYPE_CHECKING:
    from fracdse.board.deployment.request import DeployRequest, DeployResult, Listener
    from fracdse.cli.vivado_progress import VivadoProgress
    from fracdse.records import TrialRecord
    from fracdse.search.study import Study

_TARGETS = ("bundle", "sim", "yosys", "vivado", "board")


@click.command("deploy")
@click.argument("trial", metavar="best|TRIAL")
@click.argument("study", required=False)
@click.option("--by", default="knee", show_default=True, help="Rule for 'best': knee, accuracy, fps, lut, …")
@click.option(
    "--target", "targets", multiple=True, type=click.Choice(_TARGETS), help="How far; repeatable [sim, yosys, bundle]."
)
@click.option("--plan-only", is_flag=True, help="Write Vivado's build plan and stop.")
@click.option("--images", type=click.IntRange(1), default=100, show_default=True, help="Test images to simulate.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of each step of the full training.")
@click.option("--data", help="Name or path of the data set, where it is not the study's.")
@click.option("--clock", type=click.FloatRange(1, 1000), metavar="MHZ", help="Clock, where it is not the design's.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder [deploy/trial-N of the study].")
@click.option("--jobs", type=click.IntRange(1), help="Tool processes at once.")
@click.option("--vivado", metavar="PATH", help="Vivado's program or installation folder.")
@click.option(
    "--board", metavar="ADDRESS", help="For --target board: HOST[:PORT], 'local', or 'sim' for a simulated one."
)
@click.option(
    "--time-limit", type=click.FloatRange(1, 100_000), default=360.0, show_default=True, help="Vivado, minutes."
)
@storage_option
@cluster_options
@click.option("--calibrate", is_flag=True, help="Refit the hardware model on the reports of Vivado's builds.")
def command(trial: str, study: str | None, by: str, **options: Any) -> None:
    """Train TRIAL (a number, or 'best') of STUDY in full, generate its hardware, and prove that it is the same."""
    from fracdse.board.deployment.flow import deploy
    from fracdse.cli.vivado_progress import VivadoProgress
    from fracdse.search.study import open_study

    opened = open_study(study, options["storage"])
    board = _board(options)
    if options["calibrate"] and "vivado" not in options["targets"] and board in (None, "sim"):
        raise click.UsageError("--calibrate goes with --target vivado")
    record = _chosen(opened, trial, by)
    progress = VivadoProgress()
    with trainer(options) as train:
        if not train.team.alone:
            raise click.UsageError("deploy does not run under torchrun; train on several with --engine ray --workers N")
        request = replace(_request(opened, record, options), trainer=train)
        try:
            result = deploy(request, _listener(progress))
        finally:
            progress.end()
    _keep(opened, record, request, result)
    click.echo(_table(result))
    if result.reports is not None:
        _offer_calibration(result.reports, at_once=options["calibrate"])
    for path in (result.plan, result.bundle):
        if path is not None:
            click.echo(str(path))


def _chosen(study: Study, trial: str, by: str) -> TrialRecord:
    choice = chosen_trial(study, trial, by)
    if trial == "best":
        click.echo(f"Study {study.name}: trial {choice.record.number}, by the rule {choice.rule}.", err=True)
        for runner_up in choice.runners_up:
            click.echo(f"  runner-up: {_summary(runner_up)}", err=True)
    return choice.record


def _request(study: Study, record: TrialRecord, options: dict[str, Any]) -> DeployRequest:
    from fracdse.board.deployment.request import DEFAULT_TARGETS, DeployRequest
    from fracdse.search.driver import moved_data
    from fracdse.search.problem import load_data
    from fracdse.training.data import load_dataset

    space = moved_data(study, options["data"]).space
    recipe = space.training
    if options["epochs"] is not None:
        steps = {"epochs": options["epochs"], "real_epochs": options["epochs"] if recipe.real_epochs else 0}
        recipe = replace(recipe, rungs=(), **steps)
    design = record.design
    if options["clock"] is not None:
        design = replace(design, accelerator=replace(design.accelerator, clock_mhz=options["clock"]))
    board = _board(options)
    asked = frozenset(options["targets"])
    targets = asked - {"board"} if asked or options["plan_only"] else DEFAULT_TARGETS
    if options["plan_only"] or (board is not None and board != "sim"):
        targets |= {"vivado"}
    return DeployRequest(
        design=design,
        trained_as=record.design,
        recipe=recipe,
        train_set=load_data(space).train,
        test_set=load_dataset(space.data.name, "test"),
        seed=record.seed,
        folder=options["out"] or study.folder / "deploy" / f"trial-{record.number}",
        reports_folder=study.folder / "builds",
        facts={"study": study.name, "trial": record.number, "recipe": recipe.to_dict()},
        targets=targets,
        images=options["images"],
        jobs=options["jobs"],
        plan_only=options["plan_only"],
        vivado=options["vivado"],
        time_limit_s=60.0 * options["time_limit"],
        board=board,
        gates=record.gates,
    )


def _board(options: dict[str, Any]) -> str | None:
    """Return the address of the board to run on, None where there is none to run on."""
    wanted, address = "board" in options["targets"], options["board"]
    if wanted != (address is not None):
        raise click.UsageError("--target board and --board ADDRESS go together")
    return str(address) if wanted else None


def _offer_calibration(reports: Path, *, at_once: bool) -> None:
    """Refit the hardware model on the kept reports, or say which command does."""
    from fracdse.cli.calibrate import command as calibrate

    if at_once:
        calibrate.main(["--reports", str(reports)], standalone_mode=False)
    else:
        click.echo(f"Calibrate the model with Vivado's reports: fracdse calibrate --reports {reports}", err=True)


def _listener(progress: VivadoProgress) -> Listener:
    from fracdse.board.deployment.request import Listener
    from fracdse.training.history import EpochRecord

    def say(sentence: str) -> None:
        click.echo(sentence, err=True)

    def epoch(record: EpochRecord) -> None:
        accuracy = "" if record.validation_accuracy is None else f", validation {record.validation_accuracy:.2%}"
        click.echo(f"  {record.phase} {record.epoch}/{record.epochs}: loss {record.loss:.4f}{accuracy}", err=True)

    return Listener(say, epoch, progress.line)


def _keep(study: Study, record: TrialRecord, request: DeployRequest, result: DeployResult) -> None:
    """Store the figures with the trial, unless they are of another clock than the trial's."""
    if request.design != record.design:
        click.echo("The clock is not the trial's, so the figures are not stored with it.", err=True)
        return
    for kind, figures in result.figures.items():
        if kind != "estimated":
            study.record_later(record.number, figures, kind)


def _summary(record: TrialRecord) -> str:
    accuracy = "" if record.accuracy is None else f", proxy accuracy {record.accuracy:.2%}"
    if record.hardware is None:
        return f"trial {record.number}{accuracy}"
    hardware = record.hardware
    return (
        f"trial {record.number}{accuracy}, {hardware.bram18.value:.0f} BRAM18, {hardware.dsp.value:.0f} DSP, "
        f"{hardware.lut.value:,.0f} LUT, {hardware.fps.value:,.0f} frames/s"
    )


def _table(result: DeployResult) -> str:
    """Lay the figures out, a column a kind; a kind that has no value of its own for a figure shows none."""
    kinds = list(result.figures)
    lines = [" ".join([f"{'':<16}", *(f"{kind:>11}" for kind in kinds)])]
    for name, _ in result.figures["estimated"].items():
        figures = [getattr(result.figures[kind], name) for kind in kinds]
        cells = [_cell(f.value) if f.kind == kind else "" for f, kind in zip(figures, kinds, strict=True)]
        lines.append(" ".join([f"{name:<16}", *(f"{cell:>11}" for cell in cells)]).rstrip())
    return "\n".join(lines)


def _cell(value: float) -> str:
    return f"{value:,.2f}" if value < 100 and not float(value).is_integer() else f"{value:,.0f}"
