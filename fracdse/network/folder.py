"""A trained network in a folder: design.json says what it is, network.pt holds its parameters."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fracdse.design import Design
from fracdse.errors import DataError
from fracdse.network.network import FractionalNetwork, build_network
from fracdse.whole_file import write_whole

DESIGN_FILE = "design.json"
NETWORK_FILE = "network.pt"
_LARGEST_FILE_BYTES = 2**30
_LARGEST_JSON_BYTES = 2**20


def save_network(folder: Path, network: FractionalNetwork, facts: Mapping[str, Any] | None = None) -> None:
    """Write a network into a folder, which is made if need be; each file is replaced as a whole.

    Args:
        folder: Where to write.
        network: What to write.
        facts: Plain values about it, such as where it came from; stored beside the design.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / NETWORK_FILE, network.state_dict())
    described = {
        "design": network.design.to_dict(),
        "released_arithmetic": network.released_arithmetic,
        "facts": dict(facts or {}),
    }
    text = json.dumps(described, indent=2, sort_keys=True)
    write_whole(folder / DESIGN_FILE, (text + "\n").encode())


def load_network(folder: Path) -> FractionalNetwork:
    """Read the network of a folder, ready to evaluate.

    Raises:
        DataError: A file is missing, damaged, or of another network.
        ConfigError: The design in it cannot be built.
    """
    described = _read_description(folder)
    network = build_network(Design.from_dict(described["design"]))
    load_state(network, load_tensors(folder / NETWORK_FILE), str(folder / NETWORK_FILE))
    network.released_arithmetic = described.get("released_arithmetic") is True
    return network.eval()


def load_design(folder: Path) -> Design:
    """Read the design of a folder.

    Raises:
        DataError: The file is missing or damaged.
        ConfigError: It holds an unknown key or a value that is not allowed.
    """
    return Design.from_dict(_read_description(folder)["design"])


def load_state(network: FractionalNetwork, state: Mapping[str, Any], source: str) -> None:
    """Put a state dict into a network.

    Raises:
        DataError: It is of another network, naming the first difference.
    """
    own = network.state_dict()
    for name in (*own, *state):
        theirs = state.get(name)
        if name not in own or not isinstance(theirs, Tensor) or theirs.shape != own[name].shape:
            have = f"has '{name}' of shape {tuple(theirs.shape)}" if isinstance(theirs, Tensor) else f"has no '{name}'"
            want = f"of shape {tuple(own[name].shape)}" if name in own else "no such entry"
            raise DataError(f"{source}: the checkpoint is of another network: it {have}; this design has {want}")
    network.load_state_dict(state)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read a file of tensors without running any code in it.

    Raises:
        DataError: The file is missing, too large, truncated, or holds anything but tensors and plain values.
    """
    if not path.is_file():
        raise DataError(f"'{path}' does not exist or is not a file")
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise DataError(f"'{path}' is larger than {_LARGEST_FILE_BYTES} bytes")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # torch warns of unusual pickles before it refuses them; the error below says enough.
            warnings.simplefilter("ignore")
            values = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"'{path}' cannot be read as a file of tensors: {reason}",
            hint="It may be truncated, or hold objects other than tensors, which are never loaded.",
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"'{path}' holds a {type(values).__name__}, not a table of tensors")
    return values


def save_tensors(path: Path, values: Mapping[str, Any]) -> None:
    """Write tensors and plain values to a file that is replaced as a whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(values), buffer)
    write_whole(path, buffer.getvalue())


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESIGN_FILE
    if not path.is_file():
        raise DataError(
            f"'{folder}' holds no network: there is no {DESIGN_FILE} in it",
            hint="Give a folder that 'fracdse train' or 'fracdse import' wrote.",
        )
    if path.stat().st_size > _LARGEST_JSON_BYTES:
        raise DataError(f"'{path}' is larger than {_LARGEST_JSON_BYTES} bytes")
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"'{path}' is not JSON: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("design"), dict):
        raise DataError(f"'{path}' has no key 'design' with a table of values")
    return values
