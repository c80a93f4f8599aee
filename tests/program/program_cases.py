"""Random layers, programs and parameters for the tests of `fracdse.program`."""

from __future__ import annotations

import dataclasses

import numpy as np

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.parameters import (
    Affine,
    ClassifierParameters,
    GatedConvParameters,
    NetworkParameters,
    SIParameters,
    StemParameters,
)
from fracdse.program.model import GatedConvProgram, SIProgram
from fracdse.topology import ClassifierSpec, GatedConvSpec, SIBranchSpec, StemSpec, gated_convs, topology


def small_design(size=8, colours=1, classes=3, feature_bits=16, constant_bits=16, **network) -> Design:
    choices = {"depth": 8, "width": 2, "thermometer_resolution": 32, **network}
    return Design(
        image=ImageFormat(size, size, colours, classes),
        network=NetworkChoices(**choices),
        accelerator=AcceleratorChoices(feature_bits=feature_bits, constant_bits=constant_bits),
    )


def random_spec(rng, **changes) -> GatedConvSpec:
    """A layer of random geometry and options."""
    stride = int(rng.choice([1, 2]))
    channels = int(rng.integers(1, 5))
    si = None
    if rng.random() < 0.5:
        si = SIBranchSpec(int(rng.integers(1, 4)), str(rng.choice(["depthwise", "full"])), int(rng.integers(3, 9)))
    values = {
        "name": "layer",
        "in_channels": channels,
        "out_channels": channels * int(rng.choice([1, 2])),
        "in_height": stride * int(rng.integers(1, 4)),
        "in_width": stride * int(rng.integers(1, 4)),
        "kernel": int(rng.choice([1, 3])),
        "stride": stride,
        "shortcut_bits": int(rng.choice([0, 0, 2, 4])),
        "si": si,
        "elastic_link": bool(rng.random() < 0.4),
        "power_of_two": False,
        "batch_norm": True,
        "clip_bits": int(rng.choice([0, 0, 4, 6])),
        "codebook_bits": 0,
    }
    return GatedConvSpec(**{**values, **changes})


def random_conv(rng, spec: GatedConvSpec, feature_bits: int, constant_bits: int) -> GatedConvProgram:
    """A program for the layer with words anywhere in their ranges, corner values included."""
    out, inp = spec.out_channels, spec.in_channels

    def words(shape, bits=feature_bits):
        return rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)

    links = spec.elastic_link
    return GatedConvProgram(
        name=spec.name,
        weight=rng.choice([-1, 1], (out, inp, spec.kernel, spec.kernel)).astype(np.int8),
        activation_thresholds=np.sort(words((inp, 3)), axis=1),
        descending=rng.random(inp) < 0.5,
        gate_threshold=rng.integers(-spec.fan_in - 1, spec.fan_in + 2, out),
        clip_bits=spec.clip_bits,
        split=rng.integers(-3 * spec.fan_in - 1, 3 * spec.fan_in + 2, out),
        multiplier=words((2, out), constant_bits),
        offset=rng.integers(-(2**30), 2**30, (2, out)),
        shift=int(rng.integers(0, 12)),
        stride=spec.stride,
        residual_multiplier=2 ** rng.integers(0, constant_bits - 1, out) if rng.random() < 0.5 else None,
        residual_shift=int(rng.integers(0, 6)),
        shortcut_thresholds=np.sort(words((inp, 2**spec.shortcut_bits - 1)), axis=1) if spec.shortcut_bits else None,
        shortcut_descending=rng.random(inp) < 0.5 if spec.shortcut_bits else None,
        link_multiplier=words(out, constant_bits) if links else None,
        link_offset=rng.integers(-(2**20), 2**20, out) if links else None,
        link_shift=int(rng.integers(0, 16)) if links else 0,
        si=random_si(rng, spec, constant_bits) if spec.si else None,
    )


def random_si(rng, spec: GatedConvSpec, constant_bits: int) -> SIProgram:
    branch = spec.si
    assert branch is not None
    width, top, wide = branch.width, 2 ** (branch.bits - 1), 2 ** (constant_bits - 1)
    inputs = width if branch.interaction == "full" else 1
    return SIProgram(
        bits=branch.bits,
        input_multiplier=rng.integers(-(2**10), 2**10, spec.in_channels),
        input_offset=rng.integers(-(2**16), 2**16, spec.in_channels),
        input_shift=int(rng.integers(8, 18)),
        squeeze=rng.integers(-wide, wide, (width, spec.in_channels)),
        squeeze_offset=rng.integers(-(2**16), 2**16, width),
        squeeze_shift=int(rng.integers(0, 20)),
        interaction=rng.integers(-top, top, (width, inputs, 3, 3)),
        interaction_shift=int(rng.integers(0, 8)),
        expand=rng.integers(-wide, wide, (spec.out_channels, width)),
        expand_offset=rng.integers(-(2**16), 2**16, spec.out_channels),
        expand_shift=int(rng.integers(0, 16)),
    )


def _power(rng, shape, low, high):
    return (rng.choice([-1, 1], shape) * 2.0 ** rng.integers(low, high, shape)).astype(np.float32)


def random_parameters(design: Design, seed: int = 0) -> NetworkParameters:
    """Parameters of plausible size for any design: residuals stay within a few units."""
    rng = np.random.default_rng(seed)
    stem, head = topology(design)[0], topology(design)[-1]
    assert isinstance(stem, StemSpec)
    assert isinstance(head, ClassifierSpec)

    def normal(scale, *shape):
        return rng.normal(0, scale, shape).astype(np.float32)

    def affine(channels, size, power_of_two):
        if power_of_two:
            scale = _power(rng, channels, round(np.log2(size)) - 1, round(np.log2(size)) + 1)
        else:
            scale = (rng.choice([-1, 1, 1], channels) * size * rng.uniform(0.5, 1.5, channels)).astype(np.float32)
        return Affine(scale, normal(0.3, channels))

    def weights(*shape):
        return rng.choice([-1, 1], shape).astype(np.float32)

    convs = []
    for spec in gated_convs(design):
        out, inp = spec.out_channels, spec.in_channels
        p2 = spec.power_of_two
        convs.append(
            GatedConvParameters(
                weight=weights(out, inp, spec.kernel, spec.kernel),
                threshold=normal(2.0, out),
                norm_conv=affine(out, 0.5 / np.sqrt(spec.fan_in), p2),
                shift_in=normal(0.2, out),
                slope=_power(rng, out, -4, 0) if p2 else rng.uniform(-1.0, 0.8, out).astype(np.float32),
                shift_out=normal(0.2, out),
                norm_out=affine(out, 1.0 if p2 else 0.8, p2),
                link=(_power(rng, out, -3, 0) if p2 else normal(0.3, out)) if spec.elastic_link else None,
                si=_si_parameters(rng, spec, spec.si) if spec.si else None,
            )
        )
    return NetworkParameters(
        design=design,
        stem=StemParameters(
            weights(stem.out_channels, stem.in_channels, 3, 3),
            affine(stem.out_channels, 1 / np.sqrt(9 * stem.in_channels), design.network.power_of_two),
        ),
        convs=tuple(convs),
        classifier=ClassifierParameters(normal(0.5, head.classes, head.features), normal(0.2, head.classes)),
    )


def _si_parameters(rng, spec, branch) -> SIParameters:
    width, top = branch.width, 2 ** (branch.bits - 1) - 1
    inputs = width if branch.interaction == "full" else 1

    def grid(size, *shape):
        step = 2.0 ** np.ceil(np.log2(size / top))
        return (np.clip(np.rint(rng.normal(0, size / 3, shape) / step), -top, top) * step).astype(np.float32)

    return SIParameters(
        bits=branch.bits,
        squeeze=grid(0.5, width, spec.in_channels),
        squeeze_bias=grid(0.5, width),
        interaction=grid(0.5, width, inputs, 3, 3),
        expand=grid(0.5, spec.out_channels, width),
        expand_bias=grid(0.2, spec.out_channels),
        input_step=2.0 ** (4 - branch.bits),
        squeeze_step=2.0 ** (3 - branch.bits),
        interaction_step=2.0 ** (3 - branch.bits),
    )


def random_images(design: Design, count: int, seed: int = 1):
    image = design.image
    return np.random.default_rng(seed).integers(0, 256, (count, image.height, image.width, image.colours), np.uint8)


def with_words(design: Design, feature_bits: int, constant_bits: int) -> Design:
    accelerator = dataclasses.replace(design.accelerator, feature_bits=feature_bits, constant_bits=constant_bits)
    return dataclasses.replace(design, accelerator=accelerator)
