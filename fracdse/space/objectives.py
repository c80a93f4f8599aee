"""Objectives and hard constraints of a search, by the names of the figures they are about."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from fracdse.errors import ConfigError, nearest
from fracdse.pareto import Direction

# Every objective with the only direction that makes sense for it.
DIRECTIONS: dict[str, Direction] = {
    "accuracy": "maximize",
    "lut": "minimize",
    "ff": "minimize",
    "bram18": "minimize",
    "dsp": "minimize",
    "fps": "maximize",
    "latency_us": "minimize",
    "power_w": "minimize",
}
HARDWARE_NAMES = tuple(name for name in DIRECTIONS if name != "accuracy")
RESOURCES = ("lut", "ff", "bram18", "dsp")

_LIMIT = re.compile(r"^\s*(<=|>=)\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*(%?)\s*$")
_WHOLE = re.compile(r"^\s*([a-z0-9_]+)\s*((?:<=|>=).*)$")


@dataclass(frozen=True)
class Constraint:
    """A hard limit on one hardware figure.

    `limit` is a share of the device's resource where `share` is set, else the figure itself.
    """

    name: str
    relation: Literal["<=", ">="]
    limit: float
    share: bool = False

    def violation(self, value: float, capacity: float | None = None) -> float:
        """Return by how much `value` misses the limit, relative to the limit; 0 or below means that it is met.

        Args:
            value: The figure, in its own unit.
            capacity: What the device has of the resource; needed for a share only.
        """
        limit = self.limit * capacity if self.share and capacity is not None else self.limit
        excess = value - limit if self.relation == "<=" else limit - value
        return excess / limit if limit else excess

    def __str__(self) -> str:
        return f"{self.name} {self.to_plain()}"

    def to_plain(self) -> str:
        """Return the limit as the file writes it, such as '<= 0.8' or '>= 1000'."""
        number = f"{self.limit!r}" if self.share or self.limit != int(self.limit) else f"{int(self.limit)}"
        return f"{self.relation} {number}"


def parse_constraint(name: str, text: object, path: str) -> Constraint:
    """Read a limit such as '<= 0.80' (of the device), '<= 80 %', '<= 120' or '>= 1000'.

    A number up to 1 with a decimal point, or a percentage, is a share of the device for lut, ff, bram18 and dsp.

    Raises:
        ConfigError: The name is no hardware figure or the limit cannot be read.
    """
    if name not in HARDWARE_NAMES:
        raise ConfigError(
            f"{path}: unknown constraint '{name}'{nearest(name, HARDWARE_NAMES)}",
            hint=f"Constraints are checked before training, so they are on: {', '.join(HARDWARE_NAMES)}.",
        )
    match = _LIMIT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f'{path} = {text!r} is no limit; write for example "<= 0.80" or ">= 1000"')
    relation, digits, percent = match.groups()
    limit = float(digits) / (100 if percent else 1)
    if not math.isfinite(limit):
        raise ConfigError(f"{path} = {text!r}: the limit must be finite")
    share = name in RESOURCES and (bool(percent) or ("." in digits and limit <= 1))
    if percent and not share:
        raise ConfigError(f"{path} = {text!r}: only {', '.join(RESOURCES)} can be limited to a share of the device")
    return Constraint(name, "<=" if relation == "<=" else ">=", limit, share)


def split_constraint(text: str) -> tuple[str, str]:
    """Split 'lut <= 0.8' into its name and its limit.

    Raises:
        ConfigError: There is no relation in the text.
    """
    match = _WHOLE.match(text)
    if match is None:
        raise ConfigError(f"--constraint {text!r}: write NAME<=LIMIT or NAME>=LIMIT, such as 'lut<=0.8'")
    return match.group(1), match.group(2)


def check_objective(name: str, direction: object, path: str) -> Direction:
    """Return the direction of an objective, or raise ConfigError for an unknown name or the wrong direction."""
    if name not in DIRECTIONS:
        raise ConfigError(
            f"{path}: unknown objective '{name}'{nearest(name, DIRECTIONS)}",
            hint=f"Objectives: {', '.join(DIRECTIONS)}.",
        )
    if direction != DIRECTIONS[name]:
        raise ConfigError(f"{path} = {direction!r}: '{name}' can only be '{DIRECTIONS[name]}'")
    return DIRECTIONS[name]
