"""Every network of a small search space, trained once: a table that answers for trainings when samplers are compared.

A table is a CSV file. Lines that begin with # say what made it; then comes one row a network, with its parameters and,
after every epoch of the proxy, the validation accuracy and the processor seconds since its start. Hardware figures are
not in it: they are computed when it is used, so a table outlives a change of the hardware model.
"""

from __future__ import annotations

import csv
import itertools
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fracdse.search.params import params_key
from fracdse.search.problem import load_data
from fracdse.search.seeds import derived_seed
from fracdse.space import SearchSpace, load_space
from fracdse.training.data import Dataset
from fracdse.training.proxy import train_proxy

_CONTEXT = ("space", "set", "seed", "command")
_NETWORK = "network."


@dataclass(frozen=True)
class Training:
    """Validation accuracy and processor seconds since the start, after 1, 2, … epochs."""

    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """The trainings of a space's networks, by `network_key`, what they are told apart by, and the space."""

    space: SearchSpace
    fields: tuple[str, ...]
    trainings: Mapping[str, Training]

    def training(self, params: Mapping[str, Any]) -> Training:
        """Return the training of the network that `params` choose, whatever they say of its accelerator."""
        network = self.space.design(params).network
        return self.trainings[network_key({path: getattr(network, path.partition(".")[2]) for path in self.fields})]


def network_key(params: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal networks."""
    return params_key({path: value for path, value in params.items() if path.startswith(_NETWORK)})


def all_networks(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Yield the searched parameters of every network, the last field varying fastest."""
    domains = {path: domain for path, domain in space.searched.items() if path.startswith(_NETWORK)}
    for values in itertools.product(*(domain.enumerate() for domain in domains.values())):
        yield dict(zip(domains, values, strict=True))


def tabulate(space_name: str, changes: list[str], file: Path) -> None:
    """Train every network of a space once, a row of `file` each; goes on from the rows that are there already."""
    space = load_space(space_name, changes)
    data = load_data(space).train
    if space.image is None:
        space = space.with_image(data.image_format)
    done = set(read_table(file).trainings) if file.exists() else set()
    networks = list(all_networks(space))
    for number, params in enumerate(networks):
        if network_key(params) in done:
            continue
        training = _train(space, params, data, derived_seed(space.search.seed, number))
        _append(file, _header(space_name, changes, space), params, training)
        print(f"{number + 1}/{len(networks)} {training.accuracies[-1]:.4f} {training.seconds[-1]:.1f} s", flush=True)


def read_table(file: Path) -> Table:
    """Read a table and the space that it is of."""
    lines = file.read_text(encoding="utf-8").splitlines()
    notes = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    space = load_space(notes["space"], json.loads(notes["set"]))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return Table(space, tuple(_params(rows[0])), {network_key(_params(row)): _training(row) for row in rows})


def _train(space: SearchSpace, params: Mapping[str, Any], data: Dataset, seed: int) -> Training:
    design = space.design({**_any_accelerator(space), **params})
    accuracies, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        for epoch in range(1, space.proxy.epochs + 1):
            result = train_proxy(
                design, data, space.proxy, seed, until_epoch=epoch, checkpoint=Path(folder) / "network.pt"
            )
            accuracies.append(result.accuracy)
            seconds.append(time.process_time() - begin)
    return Training(tuple(accuracies), tuple(seconds))


def _any_accelerator(space: SearchSpace) -> dict[str, Any]:
    """Return a value for every searched field; those of the accelerator do not change what a training gives."""
    return {path: domain.ends[0] for path, domain in space.searched.items()}


def _header(space_name: str, changes: list[str], space: SearchSpace) -> dict[str, str]:
    command = shlex.join(["python", *sys.argv])
    values = (space_name, json.dumps(changes), str(space.search.seed), command)
    return dict(zip(_CONTEXT, values, strict=True))


def _append(file: Path, header: Mapping[str, str], params: Mapping[str, Any], training: Training) -> None:
    row: dict[str, Any] = {path: json.dumps(value) for path, value in params.items()}
    row |= {f"accuracy_{epoch}": f"{value:.6f}" for epoch, value in enumerate(training.accuracies, start=1)}
    row |= {f"seconds_{epoch}": f"{value:.3f}" for epoch, value in enumerate(training.seconds, start=1)}
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        if new:
            stream.writelines(f"# {name}: {text}\n" for name, text in header.items())
            writer.writeheader()
        writer.writerow(row)


def _params(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in row.items() if name.startswith(_NETWORK)}


def _training(row: Mapping[str, str]) -> Training:
    def columns(prefix: str) -> tuple[float, ...]:
        return tuple(float(text) for name, text in row.items() if name.startswith(prefix))

    return Training(columns("accuracy_"), columns("seconds_"))
