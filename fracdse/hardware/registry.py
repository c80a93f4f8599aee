"""Every unit's formula by its name, and the units as what they are built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fracdse.errors import ConfigError, nearest
from fracdse.hardware.terms import UnitTerms
from fracdse.hardware.units.activation import activation_terms
from fracdse.hardware.units.classifier import classifier_terms
from fracdse.hardware.units.codes import codes_terms
from fracdse.hardware.units.control import control_terms
from fracdse.hardware.units.gated_conv import gated_conv_terms
from fracdse.hardware.units.pool import pool_terms
from fracdse.hardware.units.post import post_terms
from fracdse.hardware.units.shortcut import shortcut_terms
from fracdse.hardware.units.si import si_terms
from fracdse.hardware.units.sliced_conv import sliced_conv_terms
from fracdse.hardware.units.stem import stem_terms

FORMULAS: dict[str, Callable[..., UnitTerms]] = {
    "stem": stem_terms,
    "activation": activation_terms,
    "codes": codes_terms,
    "gated_conv": gated_conv_terms,
    "sliced_conv": sliced_conv_terms,
    "shortcut": shortcut_terms,
    "post": post_terms,
    "si": si_terms,
    "pool": pool_terms,
    "classifier": classifier_terms,
    "control": control_terms,
}


@dataclass(frozen=True)
class Unit:
    """One unit of an accelerator: the layer that it belongs to, its formula and the formula's arguments."""

    layer: str
    kind: str
    parameters: Mapping[str, Any]

    @property
    def terms(self) -> UnitTerms:
        """Count the unit; equal units are counted once."""
        return _terms(self.kind, tuple(self.parameters.items()))


@lru_cache(maxsize=100_000)
def _terms(kind: str, parameters: tuple[tuple[str, Any], ...]) -> UnitTerms:
    return unit_terms(kind, dict(parameters))


def unit_terms(kind: str, parameters: Mapping[str, Any]) -> UnitTerms:
    """Count a unit of a kind.

    Raises:
        ConfigError: There is no such kind of unit, or the arguments are not its formula's.
    """
    if kind not in FORMULAS:
        raise ConfigError(f"unit '{kind}' is not known{nearest(kind, FORMULAS)}; known: {', '.join(FORMULAS)}")
    try:
        return FORMULAS[kind](**parameters)
    except TypeError as error:
        raise ConfigError(f"unit '{kind}': {error}") from error
