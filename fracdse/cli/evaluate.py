"""`fracdse evaluate`: accuracy, gates and speed of a trained network or of its integer program."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fracdse.cli.options import THREADS, OutputFile
from fracdse.cli.storage import storage_option
from fracdse.errors import ConfigError
from fracdse.whole_file import write_whole

if TYPE_CHECKING:
    from fracdse.network import FractionalNetwork
    from fracdse.records import TrialRecord
    from fracdse.search.study import Study
    from fracdse.training import Evaluation
    from fracdse.training.data import Dataset, Split

_CALIBRATION_IMAGES = 500


@click.command("evaluate")
@click.argument("design", metavar="DESIGN_DIR|TRIAL")
@click.option("--study", help="The study that TRIAL belongs to; the newest if left out.")
@storage_option
@click.option("--data", help="The name or the path of the data; a trial's own if left out.")
@click.option("--split", type=click.Choice(["train", "test"]), default="test", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first images.")
@click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Images at a time.")
@click.option("--program", "as_program", is_flag=True, help="Run the integer program instead of the float network.")
@click.option("--logits", type=OutputFile(), help="Write the logits as an array (N, C).")
@click.option("--threads", type=THREADS, help="Threads to compute with.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where to compute; auto: a GPU, if any.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(design: str, data: str | None, **options: Any) -> None:
    """Measure the network in DESIGN_DIR, or the proxy of a TRIAL, which is trained again."""
    from fracdse.network import load_network
    from fracdse.training.data import load_dataset
    from fracdse.training.threads import limited_threads

    if options["logits"] is not None:
        _check_writable(options["logits"])
    split: Split = "test" if options["split"] == "test" else "train"
    with limited_threads(options["threads"]):
        if design.isdecimal():
            from fracdse.search.study import open_study

            opened = open_study(options["study"], options["storage"])
            record = opened.record(int(design))
            data = data or opened.space.data.name
            images = load_dataset(data, split)
            network = _proxy_of(opened, record, images, options["device"])
        else:
            if options["study"] is not None:
                raise ConfigError(f"--study {options['study']} goes with a trial's number, not with '{design}'")
            network = load_network(Path(design))
            if data is None:
                raise ConfigError("--data is missing: which images should the network be measured on?")
            images = load_dataset(data, split)
        measured = (_run_program if options["as_program"] else _run_network)(network, images, data, options)
    click.echo(_as_json(measured) if options["as_json"] else _as_table(network, measured, options["as_program"]))
    if options["logits"] is not None:
        _write_logits(options["logits"], measured)


def _proxy_of(study: Study, record: TrialRecord, images: Dataset, device: str) -> FractionalNetwork:
    """Train the proxy of a trial again, as its study did, if it can read the images."""
    from fracdse.search.problem import load_data
    from fracdse.training import train_proxy
    from fracdse.training.data import check_format

    check_format(record.design.image, images)
    click.echo(f"Training the proxy of trial {record.number} of study {study.name} again", err=True)
    train_set = load_data(study.space).train
    return train_proxy(record.design, train_set, study.space.proxy, record.seed, device=device).network


def _run_network(network: FractionalNetwork, images: Dataset, data: str, options: dict[str, Any]) -> Evaluation:
    from fracdse.training import evaluate
    from fracdse.training.device import computing_device

    network.to(computing_device(options["device"]))
    return evaluate(network, images, options["limit"], options["batch"], gate_images=len(images))


def _run_program(network: FractionalNetwork, images: Dataset, data: str, options: dict[str, Any]) -> Evaluation:
    """Lower the network, calibrated on the first training images, and run it."""
    import numpy as np

    from fracdse.network import export_parameters
    from fracdse.program import Executor, lower
    from fracdse.training import Evaluation
    from fracdse.training.data import check_format, load_dataset

    check_format(network.design.image, images)
    calibration = load_dataset(data, "train").images[:_CALIBRATION_IMAGES]
    program = lower(export_parameters(network), calibration)
    count = len(images) if options["limit"] is None else min(options["limit"], len(images))
    executor = Executor(program, threads=options["threads"])
    start = time.perf_counter()
    result = executor.run(images.images[:count])
    seconds = time.perf_counter() - start
    accuracy = float((result.predictions == images.labels[:count]).mean())
    logits = (result.logits * program.classifier.logit_scale).astype(np.float32)
    return Evaluation(accuracy, logits, result.predictions, result.gates, count / max(seconds, 1e-9))


def _check_writable(path: Path) -> None:
    """Make the folder of a file that is written later, and raise OSError now if nothing can be written into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def _write_logits(path: Path, measured: Evaluation) -> None:
    import numpy as np

    content = io.BytesIO()
    np.save(content, measured.logits)
    write_whole(path, content.getvalue())
    click.echo(f"Wrote {path}", err=True)


def _as_json(measured: Evaluation) -> str:
    values = {
        "accuracy": measured.accuracy,
        "images": len(measured.predictions),
        "images_per_s": measured.images_per_s,
        "gates": measured.gates.to_dict() if measured.gates else None,
    }
    return json.dumps(values, indent=1)


def _as_table(network: FractionalNetwork, measured: Evaluation, as_program: bool) -> str:
    from fracdse.training.gate_statistics import open_share

    what = "integer program" if as_program else "float network"
    lines = [
        f"{what}, {len(measured.predictions)} images",
        f"top-1         {100 * measured.accuracy:.2f} %",
        f"speed         {measured.images_per_s:.0f} images/s",
    ]
    if measured.gates is not None:
        lines.append(f"gates open    {100 * open_share(measured.gates, network.design):.1f} % of all outputs")
        lines += [f"  {layer.name:<24}{100 * layer.open_fraction:6.1f} %" for layer in measured.gates.layers]
    return "\n".join(lines)
