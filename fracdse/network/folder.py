"""A trained network in a folder: design.json says what it is, network.pt holds its parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from fracdse.design import Design
from fracdse.errors import DataError
from fracdse.network.layer import Precision
from fracdse.network.network import FractionalNetwork, build_network
from fracdse.network.tensor_file import check_numbers, load_tensors, plain_tensor, save_tensors
from fracdse.whole_file import write_whole

DESIGN_FILE = "design.json"
NETWORK_FILE = "network.pt"
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
        "precision": network.precision,
        "released_arithmetic": network.released_arithmetic,
        "facts": dict(facts or {}),
    }
    text = json.dumps(described, indent=2, sort_keys=True)
    write_whole(folder / DESIGN_FILE, (text + "\n").encode())


def load_network(folder: Path) -> FractionalNetwork:
    """Read the network of a folder, ready to evaluate at the precision that it was saved with.

    Raises:
        DataError: A file is missing, damaged, or of another network.
        ConfigError: The design in it cannot be built.
    """
    described = _read_description(folder)
    network = build_network(Design.from_dict(described["design"]), precision=_precision(folder, described))
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


def network_digest(folder: Path) -> str:
    """Name what the network of a folder computes: its design, precision and tensors, as 64 hexadecimal digits.

    Raises:
        DataError: A file is missing, damaged, or of another network.
        ConfigError: The design in it cannot be built.
    """
    network = load_network(folder)
    said = [network.design.to_dict(), network.precision, network.released_arithmetic]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_state(network: FractionalNetwork, state: Mapping[str, Any], source: str) -> None:
    """Put a state dict into a network.

    Raises:
        DataError: It is of another network, naming the first difference, or holds something else than finite numbers.
    """
    own = network.state_dict()
    for name in (*own, *state):
        if name not in own or name not in state:
            difference = f"it has no '{name}'" if name in own else f"it has '{name}', which this design has not"
            raise DataError(f"{source}: the checkpoint is of another network: {difference}")
        what = f"{source}: '{name}'"
        theirs = plain_tensor(state[name], own[name], what)
        if theirs.shape != own[name].shape:
            raise DataError(
                f"{source}: the checkpoint is of another network: it has '{name}' of shape {tuple(theirs.shape)}; "
                f"this design's has {tuple(own[name].shape)}"
            )
        check_numbers(name, theirs.to(own[name].dtype), what)
    network.load_state_dict(dict(state))


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
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not JSON: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("design"), dict):
        raise DataError(f"'{path}' has no key 'design' with a table of values")
    return values


def _precision(folder: Path, described: Mapping[str, Any]) -> Precision:
    """Return the precision that a description names; those without one are older and of binary networks."""
    named = described.get("precision", "binary")
    for precision in get_args(Precision):
        if named == precision:
            return precision  # type: ignore[no-any-return]
    allowed = ", ".join(map(repr, get_args(Precision)))
    raise DataError(f"'{folder / DESIGN_FILE}': precision = {named!r} is not one of {allowed}")
