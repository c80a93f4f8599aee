"""Coefficients of the LUT, FF and power formulas: JSON files in hw_models/coefficients, checked as they are read."""

from __future__ import annotations

import json
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fracdse.data_files import data_folder
from fracdse.errors import ConfigError
from fracdse.hardware.terms import UnitTerms

# A half width beyond this would say that a design may take nothing at all.
WIDEST = 1.0
_LARGEST_FILE_BYTES = 1_000_000


class Coefficient(BaseModel):
    """LUTs or flip-flops a count of one term."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(ge=0, le=1e5)
    standard_error: float | None = Field(default=None, ge=0)


class Formula(BaseModel):
    """One resource of one unit: Σ coefficient · term.

    `half_width` is the 90 % conformal quantile of |synthesised − predicted| / predicted on held-out points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    coefficients: dict[str, Coefficient]
    half_width: float = Field(ge=0, le=10)
    points: int = Field(ge=0)

    @field_validator("coefficients")
    @classmethod
    def _some_are_positive(cls, coefficients: dict[str, Coefficient]) -> dict[str, Coefficient]:
        if not any(coefficient.value > 0 for coefficient in coefficients.values()):
            raise ValueError("at least one coefficient must be positive")
        return coefficients

    @cached_property
    def values(self) -> dict[str, float]:
        """The coefficients as plain numbers, which a search reads millions of times."""
        return {name: coefficient.value for name, coefficient in self.coefficients.items()}


class Coefficients(BaseModel):
    """All formulas of one tool, version and part family.

    `network_half_width` is, a resource, the 90 % conformal quantile of the relative error of whole networks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tool: str = Field(min_length=1)
    version: str = Field(min_length=1)
    part: str = Field(min_length=1)
    source: str = Field(min_length=1)
    lut: dict[str, Formula]
    ff: dict[str, Formula]
    network_half_width: dict[Literal["lut", "ff"], Annotated[float, Field(ge=0, le=WIDEST)]]
    network_points: int = Field(ge=0)

    @field_validator("network_half_width")
    @classmethod
    def _both_resources(cls, widths: dict[str, float]) -> dict[str, float]:
        if missing := {"lut", "ff"} - set(widths):
            raise ValueError(f"'{missing.pop()}' is missing")
        return widths

    def __hash__(self) -> int:
        """Tell coefficients apart in caches."""
        return hash((self.tool, self.version, self.part, self.source))

    def predict(self, terms: UnitTerms, resource: Literal["lut", "ff"]) -> float:
        """Return the LUTs or flip-flops of a unit.

        Raises:
            ConfigError: The file has no formula for the unit or no coefficient for one of its terms.
        """
        formulas = self.lut if resource == "lut" else self.ff
        counts = terms.lut if resource == "lut" else terms.ff
        try:
            values = formulas[terms.unit].values
            return sum([values[name] * count for name, count in counts.items() if count])
        except KeyError as error:
            raise ConfigError(
                f"the coefficients of {self.tool} {self.version} for {self.part} have no entry {error} "
                f"({resource} of unit '{terms.unit}')",
                hint="Fit them again: fracdse calibrate.",
            ) from error


def coefficient_files() -> tuple[Path, ...]:
    """Return all coefficient files, sorted by name."""
    return tuple(sorted((data_folder("hw_models") / "coefficients").glob("*.json")))


def read_coefficients(path: Path) -> Coefficients:
    """Read one coefficient file.

    Raises:
        ConfigError: The file is not JSON, a field is missing, negative, not finite or of the wrong type, or its part is
            not the one in the file's name.
    """
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise ConfigError(f"{path}: a coefficient file of more than {_LARGEST_FILE_BYTES} bytes is not read")
    try:
        coefficients = Coefficients.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a JSON file: {error}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(
            f"{path}: {place} = {fault['input']!r}: {fault['msg']}", hint="Fit the file again: fracdse calibrate."
        ) from error
    if not path.stem.endswith(f"-{_in_a_file_name(coefficients.part)}"):
        raise ConfigError(f"{path}: part = {coefficients.part!r}: its name says another one")
    return coefficients


@lru_cache(maxsize=32)
def coefficients_for(family: str, die: str = "") -> Coefficients:
    """Return the coefficients for a device family, 'xcup' or 'xc7'; xcup's stand in where a family has none.

    With `die` given, coefficients fitted on own builds for that die come first; of several versions the newest.

    Raises:
        ConfigError: There are no coefficients at all.
    """
    found = {path.stem: path for path in coefficient_files()}
    for wanted in (*([die] if die else []), family, "xcup"):
        for stem, path in sorted(found.items(), key=lambda entry: _by_version(entry[0]), reverse=True):
            if stem.endswith(f"-{wanted}"):
                return read_coefficients(path)
    raise ConfigError(f"no coefficients for {family}", hint="Fit them: fracdse calibrate.")


def hand_counted(family: str) -> Coefficients:
    """Return the coefficients that were counted by hand, which every fit starts from; xcup's serve all families."""
    folder = data_folder("hw_models") / "coefficients"
    own = folder / f"first-principles-{family}.json"
    return read_coefficients(own if own.exists() else folder / "first-principles-xcup.json")


def write_coefficients(coefficients: Coefficients) -> Path:
    """Write coefficients to the file that their tool, version and part name, and return its path."""
    folder = data_folder("hw_models") / "coefficients"
    words = (coefficients.tool, coefficients.version, coefficients.part)
    path = folder / ("-".join(map(_in_a_file_name, words)) + ".json")
    path.write_text(coefficients.model_dump_json(indent=1) + "\n", encoding="utf-8")
    coefficients_for.cache_clear()
    return path


def _in_a_file_name(word: str) -> str:
    return word.replace(" ", "-").replace("/", "-").lower()


def _by_version(stem: str) -> list[tuple[int, str]]:
    """Return a key that sorts 0.9 before 0.70."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", stem)]
