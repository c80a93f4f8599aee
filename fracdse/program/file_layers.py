"""Layers of a program as the plain values of a program file's header, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.program.file_arrays import ArrayReader, ArrayWriter
from fracdse.program.model import ClassifierProgram, GatedConvProgram, Program, SIProgram, StemProgram

_SIGNS = ("weight",)
_BITS = ("descending", "shortcut_descending")
_Layer = StemProgram | GatedConvProgram | SIProgram


def program_to_header(program: Program, arrays: ArrayWriter) -> dict[str, Any]:
    """Return the header's values; arrays go to `arrays`."""
    classifier = program.classifier
    return {
        "design": program.design.to_dict(),
        "feature_bits": program.feature_bits,
        "stem": _layer_to_header(program.stem, arrays),
        "convs": [_layer_to_header(conv, arrays) for conv in program.convs],
        "classifier": {
            "pool_shift": classifier.pool_shift,
            "weight": arrays.add(classifier.weight),
            "bias": arrays.add(classifier.bias),
            "logit_scale": classifier.logit_scale,
        },
    }


def program_from_header(header: Any, arrays: ArrayReader) -> Program:
    """Build the program; raises ProgramError, KeyError, TypeError or ValueError for a header that describes none."""
    classifier = header["classifier"]
    return Program(
        design=Design.from_dict(header["design"]),
        feature_bits=_integer(header["feature_bits"]),
        stem=StemProgram(**_layer_values(StemProgram, header["stem"], arrays)),
        convs=tuple(GatedConvProgram(**_layer_values(GatedConvProgram, conv, arrays)) for conv in header["convs"]),
        classifier=ClassifierProgram(
            pool_shift=_integer(classifier["pool_shift"]),
            weight=arrays.integers(classifier["weight"]),
            bias=arrays.integers(classifier["bias"]),
            logit_scale=float(classifier["logit_scale"]),
        ),
    )


def _layer_to_header(layer: _Layer, arrays: ArrayWriter) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, SIProgram):
            values[field.name] = _layer_to_header(value, arrays)
        elif value is None or isinstance(value, (int, str)):
            values[field.name] = value
        else:
            values[field.name] = arrays.add(value)
    return values


def _layer_values(kind: type[_Layer], header: Any, arrays: ArrayReader) -> dict[str, Any]:
    """Return the fields of a layer, each checked to be of the field's type."""
    known = {field.name: str(field.type) for field in fields(kind)}
    if set(header) != set(known):
        raise ProgramError(f"a layer has the keys {sorted(header)}; needed: {sorted(known)}")
    return {name: _value(name, kind_name, header[name], arrays) for name, kind_name in known.items()}


def _value(name: str, kind: str, value: Any, arrays: ArrayReader) -> Any:
    if value is None and kind.endswith("| None"):
        return None
    kind = kind.removesuffix(" | None")
    if kind == "int":
        return _integer(value)
    if kind == "str":
        return str(value)
    if kind == "SIProgram":
        return SIProgram(**_layer_values(SIProgram, value, arrays))
    if name in _SIGNS and kind == "SignArray":
        return arrays.signs(value)
    return arrays.bits(value) if name in _BITS else arrays.integers(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ProgramError(f"{value!r} stands where an integer belongs")
    return value
