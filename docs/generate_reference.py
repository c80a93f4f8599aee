"""Write the pages docs/reference-*.md from the code: python docs/generate_reference.py."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from fracdse.design import AcceleratorChoices, NetworkChoices, design_fields
from fracdse.errors import ExitCode
from fracdse.hardware.devices import device_names
from fracdse.results.table import HARDWARE_COLUMNS, column_names
from fracdse.search.samplers import SAMPLERS
from fracdse.space.objectives import DIRECTIONS, HARDWARE_NAMES
from fracdse.space.sections import DataSection, SearchSection
from fracdse.training.recipe import Recipe, proxy_recipe

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

import reference_texts as texts  # noqa: E402

Row = tuple[str, ...]
_LIMIT = '`"<= …"` or `">= …"`'


def pages() -> dict[str, str]:
    """Return the content of every generated page by its file name."""
    return {
        "reference-search-space.md": search_space_page(),
        "reference-columns.md": columns_page(),
        "reference-commands.md": commands_page(),
    }


def search_space_page() -> str:
    """Return the page of all keys of a search-space file."""
    proxy, training = proxy_recipe({}), Recipe()
    top = [("name", "text", "unnamed"), ("device", _names(device_names()), "ultra96v2")]
    parts = [
        "# Every key of a search space",
        "A search space is a TOML file; `search_spaces/` has three. Keys that are left out take their defaults,\n"
        "and an unknown key is an error. A study keeps the resolved file as `space.toml` in its folder.",
        _table(("key", "type", "default", "meaning"), _described(top, texts.TOP_LEVEL)),
        _section("data", _model_rows(DataSection, {}), texts.DATA),
        _section("objectives", [(name, f"`\"{way}\"`", "") for name, way in DIRECTIONS.items()], texts.FIGURES),
        _section("constraints", [(name, _LIMIT, "") for name in HARDWARE_NAMES], texts.FIGURES),
        _section("network", _dataclass_rows(NetworkChoices()), texts.NETWORK),
        _section("accelerator", _dataclass_rows(AcceleratorChoices()), texts.ACCELERATOR),
        _section("search", _model_rows(SearchSection, {"sampler": _names(SAMPLERS)}), texts.SEARCH),
        f"## [proxy] and [training]\n\n{texts.SECTIONS['proxy']} {texts.SECTIONS['training']}",
        _table(
            ("key", "type", "default of [proxy]", "default of [training]", "meaning"),
            [
                (f"`{n}`", _type(hint), _value(getattr(proxy, n)), _value(getattr(training, n)), texts.RECIPE[n])
                for n, hint in _checked(get_type_hints(Recipe), texts.RECIPE)
            ],
        ),
    ]  # fmt: skip
    return _page(parts)


def columns_page() -> str:
    """Return the page of all columns of `fracdse report --format csv` and of `Study.trials`."""
    meanings = dict(texts.COLUMNS) | texts.FIGURES | texts.NETWORK
    meanings |= {f"accelerator_{name}": text for name, text in texts.ACCELERATOR.items()}
    for name in HARDWARE_COLUMNS:
        meanings |= {f"{name}_low": f"Lower end of the 90 % interval of `{name}`."}
        meanings |= {f"{name}_high": f"Upper end of the 90 % interval of `{name}`."}
    rows = [(f"`{name}`", meanings[name]) for name, _ in _checked(dict.fromkeys(column_names()), meanings)]
    return _page(
        [
            "# Every column of the table of trials",
            "`fracdse report --format csv`, `--format json` and `fracdse.load_study(…).trials` have these columns, in\n"
            "this order. Units are in the names. An empty cell means that the figure is not known.",
            _table(("column", "meaning"), rows),
        ]
    )


def commands_page() -> str:
    """Return the page of what every command shares: exit codes and environment variables."""
    codes = {code.name: str(int(code)) for code in ExitCode}
    rows = [(f"`{codes[name]}`", meaning) for name, meaning in texts.EXIT_CODES.items()]
    _checked(codes, texts.EXIT_CODES)
    return _page(
        [
            "# What every command shares",
            "`fracdse COMMAND --help` lists a command's options.",
            "## Exit codes",
            _table(("code", "meaning"), [*rows, ("`130`", texts.INTERRUPTED)]),
            "Messages go to standard error, and results to standard output.",
            "## Environment variables",
            _table(("variable", "meaning"), [(f"`{name}`", meaning) for name, meaning in texts.VARIABLES.items()]),
            "Besides, every option has a variable of its own: `FRACDSE_SEARCH_TRIALS=40` stands for `--trials 40` of\n"
            "`fracdse search`, where the option is not given.",
        ]
    )


def _section(name: str, rows: Iterable[Row], meanings: Mapping[str, str]) -> str:
    table = _table(("key", "type", "default", "meaning"), _described(list(rows), meanings))
    return f"## [{name}]\n\n{texts.SECTIONS[name]}\n\n{table}"


def _described(rows: list[Any], meanings: Mapping[str, str]) -> list[Row]:
    _checked({row[0]: row for row in rows}, meanings)
    return [(f"`{name}`", kind, f"`{default}`" if default else "", meanings[name]) for name, kind, default in rows]


def _dataclass_rows(choices: NetworkChoices | AcceleratorChoices) -> list[Row]:
    section = "network" if isinstance(choices, NetworkChoices) else "accelerator"
    hints = {path: hint for path, hint in design_fields().items() if path.startswith(f"{section}.")}
    names = [path.partition(".")[2] for path in hints]
    return [(n, _type(hint), _plain(getattr(choices, n))) for n, hint in zip(names, hints.values(), strict=True)]


def _model_rows(section: type[DataSection] | type[SearchSection], types: Mapping[str, str]) -> list[Row]:
    made = section()
    return [
        (name, types.get(name) or _type(field.annotation), _plain(getattr(made, name)))
        for name, field in section.model_fields.items()
    ]


def _type(hint: Any) -> str:
    if hint in (int, float, bool, str):
        kinds: dict[Any, str] = {int: "whole number", float: "number", bool: "true or false", str: "text"}
        return kinds[hint]
    allowed = [argument for argument in get_args(hint) if argument is not type(None)]
    if all(isinstance(argument, str) for argument in allowed):
        return _names(allowed)
    return "list of whole numbers" if "[int" in str(hint) else _type(allowed[0])


def _names(values: Iterable[str]) -> str:
    return ", ".join(f'`"{value}"`' for value in values)


def _plain(value: Any) -> str:
    """Return a default as TOML writes it; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value) or '""'


def _value(value: Any) -> str:
    return f"`{_plain(value)}`"


def _checked(found: Mapping[str, Any], meanings: Mapping[str, str]) -> list[tuple[str, Any]]:
    """Return the items of `found`, each of which must have a meaning; raises ValueError otherwise."""
    unknown = [name for name in found if name not in meanings]
    if unknown:
        raise ValueError(f"docs/reference_texts.py says nothing of {', '.join(unknown)}")
    return list(found.items())


def _table(headings: Row, rows: Iterable[Row]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(parts: Iterable[str]) -> str:
    note = "<!-- Written by docs/generate_reference.py; edit the texts there, not here. -->"
    return "\n\n".join([note, *parts]) + "\n"


if __name__ == "__main__":
    for file_name, content in pages().items():
        (FOLDER / file_name).write_text(content, encoding="utf-8")
