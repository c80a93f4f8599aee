"""`fracdse train`: train one design in full."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fracdse.cli.cluster import cluster_options, trainer
from fracdse.cli.options import THREADS
from fracdse.cli.storage import storage_option
from fracdse.design import Design
from fracdse.errors import ConfigError

if TYPE_CHECKING:
    from fracdse.space import SearchSpace
    from fracdse.training.data import Dataset
    from fracdse.training.history import EpochRecord
    from fracdse.training.recipe import Recipe

_VALIDATION_SEED = 0


@click.command("train")
@click.argument("design", metavar="DESIGN.toml|TRIAL|DESIGN_DIR")
@click.option("--study", help="The study that TRIAL belongs to; the newest if left out.")
@click.option("--data", help="The name or the path of the data; the design file's own if left out.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write.")
@click.option("--epochs", type=int, help="Epochs with binary weights.")
@click.option("--real-epochs", type=int, help="Epochs with real weights before them; 0 leaves that step out.")
@click.option("--batch-size", type=int, help="Images a step.")
@click.option("--learning-rate", type=float, help="The first learning rate.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another setting of [training]; repeatable.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option("--threads", type=THREADS, help="Threads to compute with.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder, if there is one.")
@storage_option
@cluster_options
def command(design: str, study: str | None, data: str | None, out: Path, **options: Any) -> None:
    """Train a design: FracBNN's two steps, a checkpoint after every epoch, learning curves as CSV and PNG.

    Several processes train together under torchrun, or as --workers of a Ray cluster; see docs/cluster.md.
    """
    # Read when torch is imported: its C++ part warns of what is meant, once a process.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from fracdse.training.data import subsample, train_validation_split

    point, recipe, space = _read(design, study, options["storage"])
    recipe = _with_changes(recipe, options)
    whole = _training_set(data, space)
    point = replace(point, image=whole.image_format)
    learned_from, held_out = train_validation_split(whole, recipe.validation, _VALIDATION_SEED)
    learned_from = subsample(learned_from, recipe.samples, _VALIDATION_SEED)
    with trainer(options) as train:
        if train.leads:
            out.mkdir(parents=True, exist_ok=True)  # Better now than after an epoch.
            _announce(point, recipe, learned_from, held_out)
        result = train(
            point,
            learned_from,
            held_out,
            recipe,
            seed=options["seed"],
            folder=out,
            resume=options["resume"],
            progress=_say,
            threads=options["threads"],
        )
    if train.leads:
        click.echo(f"Trained in {result.seconds:.0f} s: {100 * result.accuracy:.2f} % of the validation part", err=True)
        click.echo(str(out))


def _read(design: str, study: str | None, storage: str | None) -> tuple[Design, Recipe, SearchSpace | None]:
    """Return the design, how it is to be trained, and the space that names its data, if there is one."""
    from fracdse.network.folder import load_design
    from fracdse.space import load_space
    from fracdse.training.recipe import Recipe

    if design.isdecimal():
        from fracdse.search.study import open_study

        opened = open_study(study, storage)
        return opened.record(int(design)).design, opened.space.training, opened.space
    if study is not None:
        raise ConfigError(f"--study {study} goes with a trial's number, not with '{design}'")
    if Path(design).is_dir():
        return load_design(Path(design)), Recipe(), None
    space = load_space(Path(design))
    return space.only_design(), space.training, space


def _with_changes(recipe: Recipe, options: dict[str, Any]) -> Recipe:
    import tomllib

    from fracdse.training.recipe import Recipe

    values = recipe.to_dict()
    for change in options["changes"]:
        name, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"--set {change}: write KEY=VALUE, such as block_loss=attention")
        try:
            values[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name.strip()] = text
    for name in ("epochs", "real_epochs", "batch_size", "learning_rate"):
        if options[name] is not None:
            values[name] = options[name]
    return Recipe.from_dict(values)


def _training_set(data: str | None, space: SearchSpace | None) -> Dataset:
    """Load the given data whole, else the part of its own data that a design or trial was searched with."""
    from fracdse.search.problem import load_data
    from fracdse.training.data import load_dataset

    if data is not None:
        return load_dataset(data, "train")
    if space is None:
        raise ConfigError("--data is missing: a design folder does not say what to train on")
    return load_data(space).train


def _announce(design: Design, recipe: Recipe, learned_from: Dataset, held_out: Dataset) -> None:
    from fracdse.network.shares import si_share, si_warning

    click.echo(
        f"Design {design.key}: {len(learned_from)} images to learn from, {len(held_out)} to validate; "
        f"{recipe.real_epochs} + {recipe.epochs} epochs",
        err=True,
    )
    for sentence in recipe.without_effect():
        click.echo(sentence, err=True)
    if design.network.si_width:
        share = si_share(design)
        click.echo(f"SI shortcut: {share.parameters:.1%} of the parameters, {share.bits:.1%} of the bits", err=True)
        warning = si_warning(design)
        if warning:
            click.echo(warning, err=True)


def _say(record: EpochRecord) -> None:
    validation = record.validation_accuracy
    measured = "" if validation is None else f", validation {100 * validation:.2f} %"
    click.echo(
        f"{record.phase} {record.epoch}/{record.epochs}: loss {record.loss:.3f}, "
        f"training {100 * record.train_accuracy:.2f} %{measured} ({record.seconds:.1f} s)",
        err=True,
    )
