"""The sections of a search-space file that hold plain settings, and what is said when one is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fracdse.errors import ConfigError, nearest


class Section(BaseModel):
    """Base of the sections: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataSection(Section):
    """What the search learns from.

    `name` is the name of a data set or a path; `samples` limits the training set (0: all of it); `image` is height,
    width and colours, and with `classes` is needed only for a design file whose data set is a path.
    """

    name: Annotated[str, Field(min_length=1)] = "digits"
    samples: Annotated[int, Field(ge=0)] = 0
    image: Annotated[list[int], Field(min_length=3, max_length=3)] | None = None
    classes: Annotated[int, Field(ge=2)] | None = None


class SearchSection(Section):
    """How the space is searched: sampler by name, number of trials, worker processes, and the seed of all others.

    `skip_hopeless` leaves designs untrained whose hardware is dominated at the best accuracy to be expected of them;
    the sampler 'grid' trains every design whatever it says.
    """

    sampler: str = "model"
    trials: Annotated[int, Field(ge=1)] = 30
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    skip_hopeless: bool = True


_S = TypeVar("_S", bound=Section)


def read_section(kind: type[_S], values: Any, path: str) -> _S:
    """Check one section against its model.

    Raises:
        ConfigError: A key is unknown or a value is not allowed; the message names its key path.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"[{path}] must be a table of keys, not {values!r}")
    check_keys(values, kind.model_fields, path)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([path, *(str(part) for part in first["loc"])])
        said = first["msg"][0].lower() + first["msg"][1:]
        raise ConfigError(f"{place} = {first['input']!r}: {said}") from None


def check_keys(values: Iterable[str], known: Iterable[str], path: str) -> None:
    """Raise ConfigError for the first key that is not known, with the nearest spelling."""
    known = list(known)
    for name in values:
        if name not in known:
            place = f"{path}: unknown key" if path else "unknown section or key"
            raise ConfigError(f"{place} '{name}'{nearest(name, known)}", hint=f"Known: {', '.join(known)}.")
