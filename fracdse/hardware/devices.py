"""Devices: one TOML file each in hw_models/devices, every figure with its source."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fracdse.data_files import data_folder
from fracdse.errors import ConfigError, nearest

Family = Literal["xcup", "xc7"]
_LARGEST_FILE_BYTES = 100_000


class Sourced(BaseModel):
    """A figure and where it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    value: float = Field(ge=0)
    source: str = Field(min_length=1)


class Whole(BaseModel):
    """A count and where it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: int = Field(ge=0)
    source: str = Field(min_length=1)


class Device(BaseModel):
    """What a device offers. `family` is Yosys' name of it; `die` is the part without package and speed grade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    board: str = Field(min_length=1)
    part: str = Field(min_length=1)
    die: str = Field(min_length=1)
    family: Family
    lut: Whole
    ff: Whole
    bram18: Whole
    uram: Whole
    dsp: Whole
    clock_mhz: Sourced
    clock_max_mhz: Sourced
    memory_bandwidth_gb_s: Sourced

    @property
    def resources(self) -> dict[str, int]:
        """Return the counts by the names that figures carry: lut, ff, bram18, dsp."""
        return {"lut": self.lut.value, "ff": self.ff.value, "bram18": self.bram18.value, "dsp": self.dsp.value}


def device_names() -> tuple[str, ...]:
    """Return the names of all devices, sorted."""
    return tuple(sorted(path.stem for path in (data_folder("hw_models") / "devices").glob("*.toml")))


@lru_cache(maxsize=64)
def load_device(name: str) -> Device:
    """Return the device called `name`.

    Raises:
        ConfigError: No file has that name, or the file is not a complete device.
    """
    known = device_names()
    if name not in known:
        raise ConfigError(
            f"device = {name!r} is not known{nearest(name, known)}",
            hint=f"Known devices: {', '.join(known)}. A new one is a new file in hw_models/devices.",
        )
    return read_device(data_folder("hw_models") / "devices" / f"{name}.toml")


def read_device(path: Path) -> Device:
    """Read one device file.

    Raises:
        ConfigError: The file is not TOML, a field is missing, unknown or of the wrong type, or `name` is not the
        file's.
    """
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise ConfigError(f"{path}: a device file of more than {_LARGEST_FILE_BYTES} bytes is not read")
    try:
        device = Device.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except ValidationError as error:
        raise ConfigError(
            f"{path}: {_first_fault(error)}", hint="Compare with hw_models/devices/ultra96v2.toml."
        ) from error
    if device.name != path.stem:
        raise ConfigError(f"{path}: name = {device.name!r} must be the file's name, {path.stem!r}")
    return device


def _first_fault(error: ValidationError) -> str:
    """Say where the first fault lies and what it is."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"the field '{place}' is missing"
    return f"{place} = {fault['input']!r}: {fault['msg']}"
