"""The options of commands that train in full, about where they do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fracdse.training.trainer import Trainer

_OPTIONS = (
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        help="Where to train: here (with the others under torchrun), or on Ray.",
    ),
    click.option("--workers", type=click.IntRange(1, 1024), default=1, help="Ray: processes that train together."),
    click.option("--address", help="The Ray cluster's address; without it --engine ray starts a local Ray."),
    click.option("--cpus", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Ray: CPUs a worker."),
    click.option("--gpus", type=click.FloatRange(min=0), default=0.0, help="Ray: GPUs a worker, 1 to train on GPUs."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Compute on a GPU or not."
    ),
)


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that `trainer` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def trainer(options: dict[str, Any]) -> Iterator[Trainer]:
    """Return what trains, where the options say."""
    from fracdse.ray_cluster import RayShares
    from fracdse.training.trainer import local_trainer, ray_trainer

    if options["engine"] == "local":
        if options["workers"] > 1:
            raise click.UsageError(
                "--workers goes with --engine ray; on this machine alone, 'torchrun --nproc-per-node N -m fracdse "
                "train …' does the same without Ray"
            )
        with local_trainer(options["device"]) as found:
            yield found
        return
    shares = RayShares(options["address"], options["cpus"], options["gpus"])
    with ray_trainer(shares, options["workers"], options["device"]) as found:
        yield found
