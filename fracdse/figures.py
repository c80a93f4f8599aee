"""Hardware figures that say what they are: a value, its 90 % interval and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Kind = Literal["estimated", "simulated", "synthesised", "implemented", "measured"]
# From the weakest evidence to the strongest; a table shows a trial's strongest.
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Figure:
    """A value with its 90 % interval; exact figures have low = value = high."""

    value: float
    low: float
    high: float
    kind: Kind = "estimated"

    @classmethod
    def exact(cls, value: float, kind: Kind = "estimated") -> Figure:
        """Return a figure without uncertainty."""
        return cls(value, value, value, kind)

    @classmethod
    def around(cls, value: float, half_width: float) -> Figure:
        """Return an estimated figure with a relative half width."""
        return cls(value, value * (1 - half_width), value * (1 + half_width))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Figure:
        """Build a figure from stored values.

        Raises:
            TypeError: A value is missing, is no number or is of no kind.
        """
        figure = cls(**values)
        numbers = (figure.value, figure.low, figure.high)
        if figure.kind not in KINDS or not all(type(number) in (int, float) for number in numbers):
            raise TypeError(f"{dict(values)} is no figure")
        return figure


@dataclass(frozen=True)
class HardwareFigures:
    """What a design costs and how fast it is. BRAM is counted in 18 Kib blocks."""

    lut: Figure
    ff: Figure
    bram18: Figure
    dsp: Figure
    cycles_per_frame: Figure
    fps: Figure
    latency_us: Figure
    power_w: Figure

    def items(self) -> list[tuple[str, Figure]]:
        """Return (name, figure) pairs in the order of the fields."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HardwareFigures:
        """Build figures from what `to_dict` returned.

        Raises:
            KeyError: A figure is missing.
            TypeError: A figure is damaged.
        """
        return cls(**{field.name: Figure.from_dict(values[field.name]) for field in fields(cls)})
