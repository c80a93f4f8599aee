"""Search spaces: what a search may choose, what it aims at and how it trains; read from a TOML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fracdse.design import Design, ImageFormat, design_fields
from fracdse.errors import ConfigError
from fracdse.pareto import Direction
from fracdse.space.domains import Domain, Value, parse_domain
from fracdse.space.objectives import DIRECTIONS, Constraint, check_objective, parse_constraint
from fracdse.space.sections import DataSection, SearchSection, check_keys, read_section
from fracdse.space.toml_writer import to_toml
from fracdse.topology import topology
from fracdse.training.recipe import Recipe, proxy_recipe

IMAGE_FORMATS = {
    "digits": ImageFormat(8, 8, 1, 10),
    "cifar10": ImageFormat(32, 32, 3, 10),
    "imagenet": ImageFormat(224, 224, 3, 1000),
}
DEFAULT_OBJECTIVES = ("accuracy", "bram18", "dsp")
_TOP_LEVEL = (
    "name",
    "device",
    "data",
    "objectives",
    "constraints",
    "network",
    "accelerator",
    "proxy",
    "training",
    "search",
)


@dataclass(frozen=True)
class SearchSpace:
    """A search space and everything else that a run needs; `choices` maps key paths such as `network.width`."""

    name: str
    choices: Mapping[str, Domain]
    data: DataSection
    objectives: Mapping[str, Direction]
    constraints: tuple[Constraint, ...]
    proxy: Recipe
    training: Recipe
    search: SearchSection
    source: str = ""

    @property
    def image(self) -> ImageFormat | None:
        """The images' format: from the keys `data.image` and `data.classes`, or the known data set; else None."""
        if self.data.image is None or self.data.classes is None:
            return IMAGE_FORMATS.get(self.data.name)
        height, width, colours = self.data.image
        return ImageFormat(height, width, colours, self.data.classes)

    @property
    def searched(self) -> dict[str, Domain]:
        """The fields with more than one value, in the order of the file."""
        return {path: domain for path, domain in self.choices.items() if domain.single is None}

    @property
    def size(self) -> float:
        """Number of designs; infinite where a range is continuous."""
        return math.prod(domain.size for domain in self.searched.values())

    def design(self, params: Mapping[str, Value]) -> Design:
        """Return the design that `params`, one value a searched field, stand for.

        The goals of the folding, `accelerator.lut_share` and `accelerator.fps`, are taken from the constraints on lut
        and fps where the file does not give them.

        Raises:
            ConfigError: A field is missing or unknown, or the images' format is not known.
        """
        image = self.image
        if image is None:
            raise ConfigError(
                f"{self.source}: data.image and data.classes are needed, as '{self.data.name}' is no known data set",
                hint=f"Write for example image = [32, 32, 3] and classes = 10. Known: {', '.join(IMAGE_FORMATS)}.",
            )
        document: dict[str, Any] = {"image": vars(image), "network": {}, "accelerator": self._goals()}
        for path, domain in self.choices.items():
            value = params.get(path, domain.single)
            if value is None:
                raise ConfigError(f"{self.source}: {path} has no value; it is one of {domain.to_plain()}")
            section, _, field = path.partition(".")
            if field:
                document[section][field] = value
            else:
                document[section] = value
        return Design.from_dict(document)

    def _goals(self) -> dict[str, float]:
        """Return what the constraints ask of the folding: the LUTs it may use and the rate it must reach."""
        goals = {}
        for constraint in self.constraints:
            if constraint.name == "lut" and constraint.share and constraint.relation == "<=":
                goals["lut_share"] = min(constraint.limit, 1.0)
            if constraint.name == "fps" and constraint.relation == ">=":
                goals["fps"] = constraint.limit
        return goals

    def only_design(self) -> Design:
        """Return the only design of a file in which every field has a single value.

        Raises:
            ConfigError: A field has several values.
        """
        for path, domain in self.searched.items():
            raise ConfigError(
                f"{self.source}: {path} = {domain.to_plain()} is a choice, but one design is wanted",
                hint="Give it one value in the file.",
            )
        return self.design({})

    def params_of(self, design: Design) -> dict[str, Value] | None:
        """Return the params that stand for `design`, or None where it is not in this space."""
        params: dict[str, Value] = {}
        plain = design.to_dict()
        for path, domain in self.choices.items():
            section, _, field = path.partition(".")
            value = plain[section][field] if field else plain[section]
            if not domain.contains(value):
                return None
            if domain.single is None:
                params[path] = value
        return params if self.design(params) == design else None

    def with_image(self, image: ImageFormat) -> SearchSpace:
        """Return the space with its images' format set, as found in the data."""
        shape = [image.height, image.width, image.colours]
        return replace(self, data=self.data.model_copy(update={"image": shape, "classes": image.classes}))

    def to_plain(self) -> dict[str, Any]:
        """Return the resolved space as the nested values of its file."""
        sections: dict[str, dict[str, Any]] = {"network": {}, "accelerator": {}}
        for path, domain in self.choices.items():
            section, _, field = path.partition(".")
            if field:
                sections[section][field] = domain.to_plain()
        return {
            "name": self.name,
            "device": self.choices["device"].to_plain(),
            "data": self.data.model_dump(exclude_none=True),
            "objectives": dict(self.objectives),
            "constraints": {constraint.name: constraint.to_plain() for constraint in self.constraints},
            **sections,
            "proxy": self.proxy.to_dict(),
            "training": self.training.to_dict(),
            "search": self.search.model_dump(),
        }

    def to_toml(self) -> str:
        """Return the resolved space as the text of a search-space file; reading it gives an equal space."""
        return to_toml(self.to_plain())


def parse_space(document: Mapping[str, Any], source: str) -> SearchSpace:
    """Check the nested values of a search-space file.

    Args:
        document: What the TOML file holds.
        source: The file's name, for messages.

    Raises:
        ConfigError: A key is unknown, or a value is not allowed; names the file, the key path and the value.
    """
    try:
        space = _parse(document, source)
        _check_values(space)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.message.removeprefix(f'{source}: ')}", hint=error.hint) from None
    return space


def _parse(document: Mapping[str, Any], source: str) -> SearchSpace:
    check_keys(document, _TOP_LEVEL, "")
    name = document.get("name", "unnamed")
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        raise ConfigError(f"name = {name!r} must be a text without '/' that does not begin with '.'")
    limits = _table(document, "constraints")
    return SearchSpace(
        name=name,
        choices=_parse_choices(document),
        data=read_section(DataSection, document.get("data", {}), "data"),
        objectives=_parse_objectives(document),
        constraints=tuple(parse_constraint(key, text, f"constraints.{key}") for key, text in limits.items()),
        proxy=proxy_recipe(_table(document, "proxy")),
        training=Recipe.from_dict(_table(document, "training")),
        search=read_section(SearchSection, document.get("search", {}), "search"),
        source=source,
    )


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"[{name}] must be a table of keys, not {table!r}")
    return table


def _parse_objectives(document: Mapping[str, Any]) -> dict[str, Direction]:
    if "objectives" not in document:
        return {name: DIRECTIONS[name] for name in DEFAULT_OBJECTIVES}
    table = _table(document, "objectives")
    if not table:
        raise ConfigError("[objectives] is empty", hint=f"Give at least one of: {', '.join(DIRECTIONS)}.")
    return {name: check_objective(name, value, f"objectives.{name}") for name, value in table.items()}


def _parse_choices(document: Mapping[str, Any]) -> dict[str, Domain]:
    hints = design_fields()
    choices = {"device": parse_domain(document.get("device", "ultra96v2"), str, "device")}
    for section in ("network", "accelerator"):
        table = _table(document, section)
        check_keys(table, [path.partition(".")[2] for path in hints if path.startswith(f"{section}.")], section)
        for field, raw in table.items():
            choices[f"{section}.{field}"] = parse_domain(raw, hints[f"{section}.{field}"], f"{section}.{field}")
    return choices


def _check_values(space: SearchSpace) -> None:
    """Raise ConfigError for a value that no design may have, whatever the other fields are."""
    if space.data.image is not None and space.data.classes is None and space.data.name not in IMAGE_FORMATS:
        raise ConfigError("data.classes is missing; it is needed beside data.image")
    if _lacks_rate(space):
        raise ConfigError(
            "accelerator.folding = 'smallest at fps' has no rate to reach",
            hint='Give accelerator.fps, or a constraint such as fps = ">= 1000".',
        )
    known = space if space.image is not None else space.with_image(IMAGE_FORMATS["cifar10"])
    first: dict[str, Value] = {path: domain.ends[0] for path, domain in space.searched.items()}
    for path, domain in space.choices.items():
        for value in domain.ends:
            try:
                topology(known.design(first | {path: value}))
            except ConfigError as error:
                if error.message.startswith(f"{path} "):
                    raise


def _lacks_rate(space: SearchSpace) -> bool:
    """Tell whether a rate is to be reached that neither accelerator.fps nor a constraint states."""
    names = ("folding", "architecture", "fps")
    folding, architecture, fps = (space.choices.get(f"accelerator.{name}") for name in names)
    if folding is None or "smallest at fps" not in folding.ends:
        return False
    if architecture is not None and set(architecture.ends) == {"engine"}:
        return False
    return not any(fps.ends) if fps is not None else not space._goals().get("fps")
