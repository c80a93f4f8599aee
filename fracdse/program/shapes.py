"""The shape of every array of a program, as the layers of its design ask for it."""

from __future__ import annotations

from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec

Shapes = dict[str, tuple[int, ...] | None]
"""Shape of each array by its field's name; None where the layer has no such array."""


def stem_shapes(spec: StemSpec) -> Shapes:
    """Return the shapes of a StemProgram."""
    channels = (spec.out_channels,)
    return {
        "weight": (spec.out_channels, spec.in_channels, spec.kernel, spec.kernel),
        "multiplier": channels,
        "offset": channels,
    }


def conv_shapes(spec: GatedConvSpec) -> Shapes:
    """Return the shapes of a GatedConvProgram; `residual_multiplier` may be missing in any layer."""
    out, inp = (spec.out_channels,), (spec.in_channels,)
    link = out if spec.elastic_link else None
    return {
        "weight": (*out, *inp, spec.kernel, spec.kernel),
        "activation_thresholds": (*inp, 3),
        "descending": inp,
        "gate_threshold": out,
        "split": out,
        "multiplier": (2, *out),
        "offset": (2, *out),
        "residual_multiplier": out,
        "shortcut_thresholds": (*inp, 2**spec.shortcut_bits - 1) if spec.shortcut_bits else None,
        "shortcut_descending": inp if spec.shortcut_bits else None,
        "link_multiplier": link,
        "link_offset": link,
    }


def si_shapes(spec: GatedConvSpec) -> Shapes | None:
    """Return the shapes of a layer's SIProgram, None where the layer has no branch."""
    if spec.si is None:
        return None
    width = spec.si.width
    return {
        "input_multiplier": (spec.in_channels,),
        "input_offset": (spec.in_channels,),
        "squeeze": (width, spec.in_channels),
        "squeeze_offset": (width,),
        "interaction": (width, 1 if spec.si.interaction == "depthwise" else width, 3, 3),
        "expand": (spec.out_channels, width),
        "expand_offset": (spec.out_channels,),
    }


def classifier_shapes(spec: ClassifierSpec) -> Shapes:
    """Return the shapes of a ClassifierProgram."""
    return {"weight": (spec.classes, spec.features), "bias": (spec.classes,)}
