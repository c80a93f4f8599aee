"""What one field of a search space may be: one value, a list of choices, or a range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from fracdse.design import checked_value
from fracdse.errors import ConfigError, nearest

Value = int | float | str | bool

_RANGE_KEYS = ("low", "high", "step", "log")
_MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Choice:
    """One or more values to choose from, in the order of the file."""

    values: tuple[Value, ...]

    @property
    def size(self) -> float:
        """Number of values."""
        return len(self.values)

    @property
    def single(self) -> Value | None:
        """The value, where there is only one."""
        return self.values[0] if len(self.values) == 1 else None

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that stand for all others when a domain is checked: every one."""
        return self.values

    def contains(self, value: Value) -> bool:
        """Tell whether `value` is one of the choices, its type being the same."""
        return any(type(value) is type(own) and value == own for own in self.values)

    def enumerate(self) -> tuple[Value, ...]:
        """Return every value."""
        return self.values

    def to_plain(self) -> Any:
        """Return the domain as the file writes it."""
        return self.values[0] if len(self.values) == 1 else list(self.values)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, on a grid where `step` is given; `log` spaces them by ratio."""

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @property
    def size(self) -> float:
        """Number of values; infinite for floats without a step."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return (self.high - self.low) // int(self.step or 1) + 1
        return math.inf if self.step is None else float(self._span // Decimal(str(self.step)) + 1)

    @cached_property
    def last(self) -> int | float:
        """The largest value: `high`, or the last step below it, as exact as decimal numbers are."""
        remainder = Decimal(0) if self.step is None else self._span % Decimal(str(self.step))
        return type(self.high)(Decimal(str(self.high)) - remainder)

    @property
    def _span(self) -> Decimal:
        """Exactly what lies between the numbers as they are written: 0.3 is three steps of 0.1."""
        return Decimal(str(self.high)) - Decimal(str(self.low))

    @property
    def single(self) -> Value | None:
        """The value, where low and high are the same."""
        return self.low if self.low == self.high else None

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that stand for all others when a domain is checked: the ends."""
        return (self.low, self.last)

    def contains(self, value: Value) -> bool:
        """Tell whether `value` is a number of this range."""
        if type(value) is not type(self.low) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-6

    def enumerate(self) -> tuple[Value, ...]:
        """Return every value.

        Raises:
            ConfigError: The range is continuous.
        """
        if math.isinf(self.size):
            raise ConfigError(f"the range {self.low} to {self.high} has no step, so its values cannot be listed")
        return tuple(self.at(index) for index in range(int(self.size)))

    def at(self, index: int) -> int | float:
        """Return the value `index` steps above the lowest; rounding takes none above the last."""
        return min(self.low + index * (self.step or 1), self.last)

    def to_plain(self) -> Any:
        """Return the domain as the file writes it."""
        plain: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.step is not None:
            plain["step"] = self.step
        if self.log:
            plain["log"] = True
        return plain


Domain = Choice | Range


def parse_domain(raw: Any, hint: Any, path: str) -> Domain:
    """Read a value, a list of choices or a table `{ low, high, step, log }` as a domain of values of type `hint`.

    Raises:
        ConfigError: The list is empty or repeats a value, the range is upside down, or a value has the wrong type.
    """
    if isinstance(raw, Mapping):
        return _parse_range(raw, hint, path)
    if isinstance(raw, list):
        if not raw:
            raise ConfigError(f"{path} = [] leaves nothing to choose from", hint="Give at least one value.")
        values = tuple(checked_value(item, hint, f"{path}[{index}]") for index, item in enumerate(raw))
        repeated = [value for index, value in enumerate(values) if value in values[:index]]
        if repeated:
            raise ConfigError(f"{path} lists {repeated[0]!r} more than once")
        return Choice(values)
    return Choice((checked_value(raw, hint, path),))


def _parse_range(raw: Mapping[str, Any], hint: Any, path: str) -> Range:
    if hint not in (int, float):
        raise ConfigError(
            f"{path} = {dict(raw)!r}: a range is for numbers only", hint="Give a value, or a list of choices."
        )
    for key in raw:
        if key not in _RANGE_KEYS:
            raise ConfigError(
                f"{path}: unknown key '{key}' in a range{nearest(key, _RANGE_KEYS)}",
                hint=f"Known keys: {', '.join(_RANGE_KEYS)}.",
            )
    for key in ("low", "high"):
        if key not in raw:
            raise ConfigError(f"{path}: a range needs low and high; '{key}' is missing")
    low, high = (checked_value(raw[key], hint, f"{path}.{key}") for key in ("low", "high"))
    step = None if "step" not in raw else checked_value(raw["step"], hint, f"{path}.step")
    log = checked_value(raw.get("log", False), bool, f"{path}.log")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{path}: low = {low} and high = {high} must be finite")
    if low > high:
        raise ConfigError(f"{path}: the range is upside down, low = {low} is above high = {high}")
    if step is not None and not (math.isfinite(step) and step > 0):
        raise ConfigError(f"{path}.step = {step} must be above 0")
    if step is not None and (high - low) / step > _MOST_STEPS:
        raise ConfigError(f"{path}.step = {step} makes more than {_MOST_STEPS:,} steps from {low} to {high}")
    if log and low <= 0:
        raise ConfigError(f"{path}.low = {low} must be above 0 where log = true")
    if log and step is not None:
        raise ConfigError(f"{path}: give step or log, not both")
    return Range(low, high, step, log)
