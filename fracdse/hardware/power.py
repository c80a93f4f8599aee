"""Power: processing system, static, and a term a resource and MHz; always an interval, and always of low confidence.

The coefficients are rows of Vivado's power reports divided by count and clock (hw_models/power.json); each end of the
interval takes every coefficient at its own end of the builds' spread. No board was measured for it.
"""

from __future__ import annotations

import json
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fracdse.data_files import data_folder
from fracdse.errors import ConfigError
from fracdse.figures import Figure


class Spread(BaseModel):
    """A coefficient over several builds, and the rows of the reports that it stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(ge=0)
    lowest: float = Field(ge=0)
    highest: float = Field(ge=0)
    rows: str

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if not self.lowest <= self.value <= self.highest:
            raise ValueError("lowest ≤ value ≤ highest must hold")
        return self


class FamilyPower(BaseModel):
    """Watts that do not depend on the design."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ps_w: Spread
    static_w: Spread


class PowerModel(BaseModel):
    """All coefficients of the power model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    lut_w_per_thousand_mhz: Spread
    bram18_w_per_mhz: Spread
    dsp_w_per_mhz: Spread
    families: dict[str, FamilyPower]


@lru_cache(maxsize=1)
def power_model() -> PowerModel:
    """Return the coefficients of hw_models/power.json.

    Raises:
        ConfigError: The file is not what it should be.
    """
    path = data_folder("hw_models") / "power.json"
    try:
        return PowerModel.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}", hint="Restore the file that came with fracdse.") from error


def power_figure(family: str, lut: float, bram18: float, dsp: float, clock_mhz: float) -> Figure:
    """Return the power in watts of the whole chip, processing system included.

    Raises:
        ConfigError: There are no coefficients for the family.
    """
    switched = clock_mhz * lut / 1000, clock_mhz * bram18, clock_mhz * dsp
    value, low, high = (
        fixed + a * switched[0] + b * switched[1] + c * switched[2] for fixed, a, b, c in _coefficients(family)
    )
    return Figure(value, low, high)


@lru_cache
def _coefficients(family: str) -> tuple[tuple[float, ...], ...]:
    """Return, for the value and both ends of the interval, the watts that are fixed and those per amount and MHz."""
    model = power_model()
    if family not in model.families:
        raise ConfigError(f"no power coefficients for family '{family}'; known: {', '.join(model.families)}")
    base = model.families[family]
    switched = model.lut_w_per_thousand_mhz, model.bram18_w_per_mhz, model.dsp_w_per_mhz
    return tuple(
        (
            getattr(base.ps_w, end) + getattr(base.static_w, end),
            *(float(getattr(spread, end)) for spread in switched),
        )
        for end in ("value", "lowest", "highest")
    )
