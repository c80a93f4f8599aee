"""Find, read and override search-space files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fracdse.data_files import data_folder
from fracdse.design import design_fields
from fracdse.errors import ConfigError, nearest
from fracdse.space.model import SearchSpace, parse_space
from fracdse.space.objectives import DIRECTIONS, HARDWARE_NAMES, parse_constraint, split_constraint
from fracdse.space.sections import DataSection, SearchSection
from fracdse.training.recipe import Recipe

DEFAULT_SPACE = "search_spaces/digits.toml"
_LARGEST_FILE_BYTES = 1 << 20


def load_space(path_or_name: str | Path, changes: Iterable[str] = ()) -> SearchSpace:
    """Read a search space from a file, or by the name of one that comes with fracdse.

    Args:
        path_or_name: A TOML file, or a name such as 'digits'.
        changes: Overrides `KEY.PATH=VALUE`, the value written as in TOML; a bare word is a text.

    Raises:
        ConfigError: The file is missing or is not TOML, a key is unknown, or a value is not allowed.
    """
    path = _find(path_or_name)
    document = _read(path)
    changed = [_apply(document, change) for change in changes]
    try:
        return parse_space(document, str(path))
    except ConfigError as error:
        said = error.message.removeprefix(f"{path}: ")
        if any(re.match(rf"{re.escape(key)}\b", said) for key in changed):
            raise ConfigError(f"--set {said}", hint=error.hint) from None
        raise


def with_objectives(names: Iterable[str]) -> list[str]:
    """Return the overrides that make `names` the only objectives."""
    named = list(names)
    for name in named:
        if name not in DIRECTIONS:
            raise ConfigError(
                f"unknown objective '{name}'{nearest(name, DIRECTIONS)}", hint=f"Objectives: {', '.join(DIRECTIONS)}."
            )
    body = ", ".join(f'{name} = "{DIRECTIONS[name]}"' for name in dict.fromkeys(named))
    return [f"objectives={{ {body} }}"] if named else []


def with_constraint(text: str) -> str:
    """Return the override that adds the constraint `text`, such as 'lut<=0.8', or replaces the one of its name.

    Raises:
        ConfigError: It names no hardware figure, or its limit cannot be read.
    """
    name, limit = split_constraint(text)
    parse_constraint(name, limit, f"--constraint {name}")
    return f'constraints.{name}="{limit}"'


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(data_folder("search_spaces").glob("*.toml"))}
    is_name = str(path_or_name) in shipped or str(path_or_name) == f"search_spaces/{path.stem}.toml"
    if is_name and path.stem in shipped:
        return shipped[path.stem]
    if path.is_dir():
        raise ConfigError(
            f"'{path_or_name}' is a folder, not a search space",
            hint=f"Give a TOML file, or one of: {', '.join(shipped)}.",
        )
    raise ConfigError(
        f"there is no search space '{path_or_name}'{nearest(path.stem, shipped)}",
        hint=f"Give a TOML file, or one of: {', '.join(shipped)}.",
    )


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB, so it is no search space")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text, so it is no search space") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    if not document:
        raise ConfigError(
            f"{path} is empty: the file names no choice", hint="docs/reference-search-space.md has every key."
        )
    return document


def _apply(document: dict[str, Any], change: str) -> str:
    """Make one override in `document`, and return its key."""
    key, equals, text = change.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {change!r}: write KEY.PATH=VALUE, such as network.si_width=4")
    _check_path(key)
    section, _, field = key.partition(".")
    if not field:
        document[section] = _parse_value(text.strip())
        return key
    table = document.setdefault(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"[{section}] must be a table of keys, not {table!r}")
    table[field] = _parse_value(text.strip())
    return key


def _check_path(key: str) -> None:
    known = ["name", "objectives", *(path for path in design_fields() if not path.startswith("image."))]
    recipe = [entry.name for entry in fields(Recipe)]
    sections: Mapping[str, Any] = {
        "data": DataSection.model_fields,
        "proxy": recipe,
        "training": recipe,
        "search": SearchSection.model_fields,
        "objectives": DIRECTIONS,
        "constraints": HARDWARE_NAMES,
    }
    known += [f"{section}.{name}" for section, names in sections.items() for name in names]
    if key not in known:
        same_end = [path for path in known if path.rpartition(".")[2] == key]
        close = f" (did you mean '{same_end[0]}'?)" if same_end else nearest(key, known)
        raise ConfigError(f"--set {key}: there is no such key{close}")


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
