"""`fracdse board`: serve a bundle as a simulated board, or test one on a board."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path

import click

from fracdse.cli.options import check_goes_with

_BUNDLE = click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("board")
def command() -> None:
    """Serve a BUNDLE as a simulated board, or test one on a board."""


@command.command("simulate")
@_BUNDLE
@click.option("--port", type=click.IntRange(0, 65535), default=7967, show_default=True, help="0 takes a free port.")
def simulate(bundle: Path, port: int) -> None:
    """Serve the accelerator of BUNDLE, simulated by Verilator, as pynq's remote device on loopback. Ctrl-C ends it."""
    from fracdse.board.bundle import read_bundle
    from fracdse.board.simulated_session import simulated_session

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    contents = read_bundle(bundle)
    click.echo("Compiling the accelerator's model.", err=True)
    with simulated_session(contents, port) as session:
        click.echo(session.address)
        click.echo(f"Serving build {contents.build_id:016x} on loopback; Ctrl-C ends it.", err=True)
        try:
            ended.wait()
        except KeyboardInterrupt:
            click.echo("Ended.", err=True)


@command.command("test")
@_BUNDLE
@click.option("--board", "address", required=True, help="'local', HOST[:PORT], or 'sim' for a simulated board.")
@click.option("--data", help="Name or path of a data set: run its test images too and measure the accuracy.")
@click.option("--limit", type=click.IntRange(1), help="At most this many images of the data set.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds to wait for a frame."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(bundle: Path, address: str, data: str | None, limit: int | None, timeout: float, as_json: bool) -> None:
    """Load BUNDLE on a board, compare every logit with the integer program's, and measure."""
    from fracdse.board.bundle import read_bundle
    from fracdse.board.proof import board_text
    from fracdse.board.selftest import run_selftest
    from fracdse.board.simulated_session import simulated_session

    if data is None:
        check_goes_with({"limit": "--limit"}, "--data")
    contents = read_bundle(bundle)
    images = labels = None
    if data is not None:
        from fracdse.training.data import check_format, load_dataset

        dataset = load_dataset(data, "test")
        check_format(contents.program.design.image, dataset)
        images, labels = dataset.images[:limit], dataset.labels[:limit]
    if address == "sim":
        with simulated_session(contents) as session:
            report = run_selftest(contents, session.address, images, labels, timeout)
    else:
        report = run_selftest(contents, address, images, labels, timeout)
    click.echo(json.dumps(asdict(report), indent=2) if as_json else board_text(report))
