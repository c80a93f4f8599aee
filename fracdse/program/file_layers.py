"""Layers of a program as the plain values of a program file's header, and back."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from fracdse.design import Design
from fracdse.errors import ProgramError
from fracdse.program.file_arrays import ArrayReader, ArrayWriter
from fracdse.program.model import ClassifierProgram, GatedConvProgram, Program, SIProgram, StemProgram
from fracdse.program.shapes import Shapes, classifier_shapes, conv_shapes, si_shapes, stem_shapes
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec, topology

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
    """Build the program; raises ProgramError, KeyError, TypeError or ValueError for a header that describes none.

    No array is decoded before its shape is found to be the design's.
    """
    design = Design.from_dict(header["design"])
    layers = topology(design)
    stem, head = layers[0], layers[-1]
    assert isinstance(stem, StemSpec)
    assert isinstance(head, ClassifierSpec)
    specs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    convs, classifier = header["convs"], header["classifier"]
    if not isinstance(convs, list) or len(convs) != len(specs):
        raise ProgramError(f"its gated convolutions are no list of {len(specs)}, as the design has them")
    shapes = classifier_shapes(head)
    return Program(
        design=design,
        feature_bits=_integer(header["feature_bits"]),
        stem=StemProgram(**_layer_values(StemProgram, header["stem"], stem_shapes(stem), None, arrays)),
        convs=tuple(
            GatedConvProgram(**_layer_values(GatedConvProgram, conv, conv_shapes(spec), si_shapes(spec), arrays))
            for spec, conv in zip(specs, convs, strict=True)
        ),
        classifier=ClassifierProgram(
            pool_shift=_integer(classifier["pool_shift"]),
            weight=arrays.integers(classifier["weight"], shapes["weight"]),
            bias=arrays.integers(classifier["bias"], shapes["bias"]),
            logit_scale=_real(classifier["logit_scale"]),
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


def _layer_values(
    kind: type[_Layer], header: Any, shapes: Shapes, branch: Shapes | None, arrays: ArrayReader
) -> dict[str, Any]:
    """Return the fields of a layer, each checked to be of its type; `branch` are the shapes of the SI branch."""
    known = {field.name: str(field.type) for field in fields(kind)}
    if set(header) != set(known):
        raise ProgramError(f"a layer has the keys {sorted(header)}; needed: {sorted(known)}")
    values: dict[str, Any] = {}
    for name, type_name in known.items():
        value = header[name]
        if value is None and type_name.endswith("| None"):
            values[name] = None
        elif name == "si":
            if branch is None:
                raise ProgramError("an SI branch stands where the design has none")
            values[name] = SIProgram(**_layer_values(SIProgram, value, branch, None, arrays))
        elif name in shapes:
            values[name] = _array(name, type_name, value, shapes[name], arrays)
        else:
            values[name] = str(value) if type_name == "str" else _integer(value)
    return values


def _array(name: str, type_name: str, description: Any, shape: tuple[int, ...] | None, arrays: ArrayReader) -> Any:
    try:
        if name in _SIGNS and type_name == "SignArray":
            return arrays.signs(description, shape)
        return arrays.bits(description, shape) if name in _BITS else arrays.integers(description, shape)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error.message}") from error


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ProgramError(f"{value!r} stands where an integer belongs")
    return value


def _real(value: Any) -> float:
    if type(value) is not float or not math.isfinite(value):
        raise ProgramError(f"{str(value)[:40]!r} stands where a finite real number belongs")
    return value
