"""`fracdse import`: read networks that other programs trained."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("import")
def command() -> None:
    """Read a network that another program trained."""


@command.command("fracbnn")
@click.argument("file", metavar="FILE.pt", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write.")
def fracbnn(file: Path, out: Path) -> None:
    """Read a state dict of FracBNN's released CIFAR-10 training code into the folder OUT."""
    from fracdse.network import released_network, save_network
    from fracdse.network.tensor_file import load_tensors

    network = released_network(load_tensors(file))
    save_network(out, network, {"source": file.name, "format": "FracBNN, CIFAR-10"})
    click.echo(str(out))
    click.echo(f"Evaluate it with: fracdse evaluate {out} --data FOLDER", err=True)
