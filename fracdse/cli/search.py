"""`fracdse search`: search a space, with proxy training and the hardware model."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from fracdse.cli.options import check_goes_with, is_given

if TYPE_CHECKING:
    from fracdse.ray_cluster import RayShares
    from fracdse.search.problem import StudyData
    from fracdse.search.study import Study
    from fracdse.space import SearchSpace


@click.command("search")
@click.argument("space", required=False)
@click.option("--trials", type=click.IntRange(min=1), help="Trials in total; overrides search.trials of the space.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Start no trial after this many seconds.",
)
@click.option("--seed", type=click.IntRange(min=0), help="The seed that all others are derived from.")
@click.option("--device", help="The FPGA's name, such as ultra96v2.")
@click.option("--data", help="A data set's name or path.")
@click.option("--study", "study_name", help="The study's name; by default the space's, with a number if it is taken.")
@click.option("--resume", is_flag=True, help="Continue --study, or the newest study.")
@click.option("--objective", "objectives", multiple=True, metavar="NAME", help="Replace the objectives; repeatable.")
@click.option("--constraint", "constraints", multiple=True, metavar="LIMIT", help="Such as 'lut<=0.8'; repeatable.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Override a key of the space; repeatable.")
@click.option("--sampler", help="model, TPE, NSGA-II, NSGA-III, GP, random or grid.")
@click.option("--workers", type=click.IntRange(min=1, max=256), help="Processes; overrides search.workers.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="Where trials run.")
@click.option("--address", help="The Ray cluster's address; without it --engine ray starts a local Ray.")
@click.option("--cpus", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Ray: CPUs a trial.")
@click.option("--gpus", type=click.FloatRange(min=0), default=0.0, help="Ray: share of a GPU a trial.")
@click.option(
    "--storage", envvar="FRACDSE_STORAGE", metavar="URL", help="A database for the trials; see docs/cluster.md."
)
@click.option("--from", "earlier", metavar="STUDY", help="Reuse the trials of an earlier study that fit the space.")
@click.option("--quiet", is_flag=True, help="Say nothing while trials run.")
def command(space: str | None, **options: Any) -> None:
    """Search SPACE, a TOML file or one of digits, cifar10 and imagenet (default: search_spaces/digits.toml)."""
    from fracdse.cli.search_progress import LiveProgress, PlainProgress, Progress, records_summary
    from fracdse.search.command_lines import keep_command_line
    from fracdse.search.driver import Plan, drive
    from fracdse.search.loop import Budget, require_feasible
    from fracdse.wording import number_of

    if options["engine"] != "ray":
        check_goes_with({"address": "--address", "cpus": "--cpus", "gpus": "--gpus"}, "--engine ray")
    if options["resume"]:
        check_goes_with({"earlier": "--from"}, "a new study, not with --resume")
    signal.signal(signal.SIGTERM, _interrupt)
    study, data = _resumed(space, options) if options["resume"] else _new(space, options)
    keep_command_line(study, ["fracdse", *sys.argv[1:]])
    sampler = options["sampler"] or study.space.search.sampler
    target = _target(study, sampler, options["trials"])
    plan = Plan(
        sampler,
        Budget.of(target, options["timeout"]),
        workers=options["workers"] or study.space.search.workers,
        storage_url=options["storage"],
        ray=_ray_options(options),
    )
    kind = Progress if options["quiet"] else LiveProgress if sys.stderr.isatty() else PlainProgress
    if not options["quiet"]:
        trials = f"{number_of(target, 'trial')} of {_size(study.space)}"
        click.echo(f"Study {study.name}: {trials}, sampler {sampler}", err=True)
    try:
        with kind(study, target) as progress:
            drive(study, data, plan, progress)
    except KeyboardInterrupt:
        click.echo(f"Stopped; finished trials are kept. Continue with: {_to_continue(study, options)}", err=True)
        raise click.exceptions.Exit(130) from None
    records = study.records()
    require_feasible(records)
    if not options["quiet"]:
        click.echo(f"{records_summary(records)}; {number_of(len(progress.front()), 'design')} on the front.", err=True)
        click.echo(f"See it with: fracdse report {study.name} --pareto", err=True)
    click.echo(str(study.folder))


def _new(space: str | None, options: dict[str, Any]) -> tuple[Study, StudyData]:
    from fracdse.search.driver import check_data, check_same_space, prepare
    from fracdse.search.samplers import check_sampler
    from fracdse.search.study import create_study, open_study, unused_name
    from fracdse.search.warm_start import reusable_trials, take_over
    from fracdse.space import DEFAULT_SPACE, load_space
    from fracdse.wording import number_of

    wanted = load_space(space or DEFAULT_SPACE, _changes(options))
    check_sampler(options["sampler"] or wanted.search.sampler, wanted)
    earlier = None if options["earlier"] is None else open_study(options["earlier"], options["storage"])
    resolved, data = prepare(wanted)
    reusable = None if earlier is None else reusable_trials(resolved, data.fingerprint, earlier)
    study = create_study(options["study_name"] or unused_name(resolved.name), resolved, options["storage"])
    check_same_space(study, resolved)
    check_data(study, data)
    if earlier is not None and reusable is not None:
        taken = take_over(study, reusable.trials)
        click.echo(
            f"Reused {number_of(taken, 'trial')} of {earlier.name}; not in the space: {reusable.not_in_space}, "
            f"not complete: {reusable.not_complete}",
            err=True,
        )
    return study, data


def _resumed(space: str | None, options: dict[str, Any]) -> tuple[Study, StudyData]:
    from fracdse.search.driver import check_same_space, moved_data, prepare
    from fracdse.search.patience import patiently
    from fracdse.search.study import META_NAME, RESULTS_FOLDER, join_study, open_study
    from fracdse.space import load_space

    name, storage = options["study_name"], options["storage"]
    if name is None and space is not None:
        _check_not_a_study(space)
    is_known = storage is None or name is None or (RESULTS_FOLDER / name / META_NAME).is_file()
    # The address of a database that was never reached may be wrong; one that was is waited for.
    study = patiently(lambda: open_study(name, storage), _say_it_waits) if is_known else join_study(name, storage)
    changes = _changes(options)
    if space is not None or changes:
        check_same_space(study, load_space(space or study.folder / "space.toml", changes))
    study = moved_data(study, options["data"])
    return study, prepare(study.space)[1]


def _check_not_a_study(space: str) -> None:
    """Refuse a SPACE that is an older study's name: whoever wrote it may have meant that study."""
    from fracdse.errors import ConfigError
    from fracdse.search.study import list_studies

    names = [folder.name for folder in list_studies()]
    if space in names[:-1]:
        raise ConfigError(
            f"--resume continues the newest study, '{names[-1]}'",
            hint=f"For '{space}' write: fracdse search --resume --study {shlex.quote(space)}.",
        )


def _to_continue(study: Study, options: dict[str, Any]) -> str:
    """Return the command that goes on with the same search; a database's password is left out."""
    from fracdse.search.storage import redacted

    words = ["fracdse", "search", "--resume", "--study", study.name]
    moved_data = ("data",) if options["resume"] else ()  # A new study keeps the place of its data itself.
    for name in (*moved_data, "trials", "sampler", "workers", "engine", "address", "cpus", "gpus", "storage"):
        if is_given(name):
            value = str(options[name])
            words += [f"--{name}", redacted(value).replace(":***@", "@") if name == "storage" else value]
    return shlex.join(words)


def _say_it_waits(reason: str) -> None:
    from fracdse.search.patience import PATIENCE_SECONDS

    click.echo(f"{reason}\nTrying again for {PATIENCE_SECONDS / 60:.0f} minutes", err=True)


def _ray_options(options: dict[str, Any]) -> RayShares | None:
    from fracdse.ray_cluster import RayShares

    if options["engine"] != "ray":
        return None
    return RayShares(options["address"], options["cpus"], options["gpus"])


def _changes(options: dict[str, Any]) -> list[str]:
    """Return the overrides of the space that the options stand for."""
    from fracdse.space import with_constraint, with_objectives
    from fracdse.space.toml_writer import toml_value

    changes = list(options["changes"])
    changes += with_objectives(options["objectives"])
    changes += [with_constraint(text) for text in options["constraints"]]
    keys = {"seed": "search.seed", "device": "device", "data": "data.name"}
    changes += [f"{key}={toml_value(options[name])}" for name, key in keys.items() if options[name] is not None]
    return changes


def _target(study: Study, sampler: str, trials: int | None) -> int:
    """Return the number of trials; the grid goes through its whole space where no number is given."""
    if trials is not None:
        return trials
    size = study.space.size
    return int(size) if sampler == "grid" and size < 1e9 else study.space.search.trials


def _size(space: SearchSpace) -> str:
    from fracdse.wording import number_of

    return "a continuous space" if space.size == float("inf") else number_of(int(space.size), "design")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
