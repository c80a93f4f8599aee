"""One point of the search space: what the network is, and what computes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache
from typing import Any, Literal, get_args, get_type_hints

from fracdse.errors import ConfigError, nearest

Body = Literal["resnet", "resnet18", "resnet34", "mobilenet"]
Interaction = Literal["depthwise", "full"]
Architecture = Literal["dataflow", "compact", "engine"]
InputLayer = Literal["table", "popcount"]
WeightMemory = Literal["auto", "logic", "lutram", "bram", "mixed"]
FoldingGoal = Literal["fastest that fits", "smallest at fps"]

# What a TOML value is called, as in docs/reference-search-space.md.
_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True)
class ImageFormat:
    """What the network reads and how many classes it tells apart."""

    height: int = 32
    width: int = 32
    colours: int = 3
    classes: int = 10


@dataclass(frozen=True)
class NetworkChoices:
    """The network's share of a design.

    `depth` counts weighted layers of the CIFAR residual network (6·n + 2) and is fixed by the other bodies; `width` is
    the number of channels of the first stage. `gate_threshold` is the target g of the threshold loss. Zero switches
    `si_width`, `shortcut_bits`, `clip_bits` and `codebook_bits` off.
    """

    body: Body = "resnet"
    depth: int = 20
    width: int = 16
    thermometer_resolution: int = 8
    gate_threshold: float = 3.0
    si_width: int = 0
    si_interaction: Interaction = "depthwise"
    si_bits: int = 8
    shortcut_bits: int = 0
    elastic_link: bool = False
    power_of_two: bool = False
    batch_norm: bool = True
    clip_bits: int = 0
    codebook_bits: int = 0


@dataclass(frozen=True)
class AcceleratorChoices:
    """The accelerator's share of a design.

    `lut_share` is the largest share of the device's LUTs that folding may use; `fps` is the rate that the goal
    'smallest at fps' must reach.
    """

    architecture: Architecture = "dataflow"
    clock_mhz: float = 250.0
    input_layer: InputLayer = "table"
    feature_bits: int = 24
    constant_bits: int = 24
    weight_memory: WeightMemory = "auto"
    folding: FoldingGoal = "fastest that fits"
    fps: float = 0.0
    lut_share: float = 0.8


@dataclass(frozen=True)
class Design:
    """A network, the accelerator that computes it and the device that carries both."""

    image: ImageFormat = field(default_factory=ImageFormat)
    network: NetworkChoices = field(default_factory=NetworkChoices)
    accelerator: AcceleratorChoices = field(default_factory=AcceleratorChoices)
    device: str = "ultra96v2"

    @property
    def key(self) -> str:
        """Name the design by its content: 16 hexadecimal digits of the SHA-256 of its canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from fracdse.results.notebook import design_html

        return design_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the design as nested plain values, ready for JSON or TOML."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Design:
        """Build a design from nested plain values; keys left out take their defaults.

        Raises:
            ConfigError: A key is unknown, or a value has the wrong type or is not allowed.
        """
        sections: dict[str, Any] = {"image": ImageFormat, "network": NetworkChoices, "accelerator": AcceleratorChoices}
        _check_keys(values, [*sections, "device"], "design")
        parts = {name: _section(kind, values.get(name, {}), name) for name, kind in sections.items()}
        device = values.get("device", "ultra96v2")
        if not isinstance(device, str):
            raise ConfigError(f"design: device = {device!r} is not a name")
        return cls(**parts, device=device)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a section's fields; finding them takes longer than checking a design against them."""
    return get_type_hints(kind)


def _section(kind: Any, values: Any, path: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"design: [{path}] must be a table of keys, not {values!r}")
    # The types are part of what is remembered, as 1, 1.0 and True are equal and not all of them are allowed.
    content = tuple((name, type(value), value) for name, value in values.items())
    try:
        return _remembered_section(kind, content, path)
    except TypeError:  # A list or a table where a value is wanted cannot be remembered; checking it says what is wrong.
        return _checked_section(kind, content, path)


def _checked_section(kind: Any, content: tuple[tuple[str, type, Any], ...], path: str) -> Any:
    hints = _hints(kind)
    _check_keys([name for name, _, _ in content], hints, path)
    return kind(**{name: checked_value(value, hints[name], f"{path}.{name}") for name, _, value in content})


# The trials of a study share most of their sections.
_remembered_section = lru_cache(maxsize=10_000)(_checked_section)


def _check_keys(values: Iterable[str], known: Any, path: str) -> None:
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{path}: unknown key '{name}'{nearest(name, known)}", hint=f"Known keys: {', '.join(known)}."
            )


def checked_value(value: Any, hint: Any, path: str) -> Any:
    """Return `value` as the type `hint` (int, float, bool, str or Literal), or raise ConfigError naming `path`."""
    allowed = get_args(hint)
    if allowed:
        if value not in allowed:
            close = nearest(str(value), map(str, allowed))
            raise ConfigError(f"{path} = {value!r} is not one of {', '.join(map(repr, allowed))}{close}")
        return value
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ConfigError(f"{path} is a number of {len(str(abs(value)))} digits; allowed: whole numbers of 64 bits")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        found = _KINDS.get(type(value), "something else")
        if hint is int and isinstance(value, float):
            found = "one with a decimal point"
        raise ConfigError(f"{path} = {value!r} must be {_KINDS[hint]}, not {found}")
    return value


def design_fields() -> dict[str, Any]:
    """Return the type of every choice under its key path, such as `network.si_width`."""
    paths: dict[str, Any] = {}
    for section in fields(Design):
        kind = {"image": ImageFormat, "network": NetworkChoices, "accelerator": AcceleratorChoices}.get(section.name)
        if kind is None:
            paths[section.name] = str
        else:
            paths.update({f"{section.name}.{name}": hint for name, hint in get_type_hints(kind).items()})
    return paths
