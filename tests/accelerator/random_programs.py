"""Random integer programs of any design, with every optional step, for tests of the whole accelerator."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

import numpy as np

from fracdse.design import Design
from fracdse.folding import Folding, LayerFolding
from fracdse.program.fixed_point import POOLED_WORD_BITS
from fracdse.program.model import ClassifierProgram, GatedConvProgram, Program, SIProgram, StemProgram
from fracdse.topology import GatedConvSpec, gated_convs, topology


def random_program(design: Design, seed: int = 0, *, extras: bool = False) -> Program:
    """Return a program whose words use much of their range; with `extras`, residual multipliers and a link as well."""
    rng = np.random.default_rng(seed)
    stem, *_, pool, classifier = topology(design)
    channels = stem.out_channels
    return Program(
        design,
        design.accelerator.feature_bits,
        StemProgram(
            signs(rng, channels, stem.in_channels, 3, 3),
            1 << rng.integers(2, 5, channels),
            rng.integers(-500, 500, channels),
            1,
        ),
        tuple(random_layer(rng, spec, extras=extras) for spec in gated_convs(design)),
        ClassifierProgram(
            (pool.height * pool.width).bit_length() - 1 + max(0, design.accelerator.feature_bits - POOLED_WORD_BITS),
            rng.integers(-999, 999, (classifier.classes, classifier.features)),
            rng.integers(-999, 999, classifier.classes),
            1.0,
        ),
    )


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([-1, 1], shape).astype(np.int8)


def random_layer(rng: np.random.Generator, spec: GatedConvSpec, *, extras: bool) -> GatedConvProgram:
    out, inp = spec.out_channels, spec.in_channels
    codes = (1 << spec.shortcut_bits) - 1
    return GatedConvProgram(
        name=spec.name,
        weight=signs(rng, out, inp, spec.kernel, spec.kernel),
        activation_thresholds=np.sort(rng.integers(-900, 900, (inp, 3)), axis=1),
        descending=rng.random(inp) < 0.2,
        gate_threshold=rng.integers(-5, 15, out),
        clip_bits=spec.clip_bits,
        split=rng.integers(-30, 30, out),
        multiplier=rng.integers(-900, 900, (2, out)),
        offset=rng.integers(-9000, 9000, (2, out)),
        shift=6,
        stride=spec.stride,
        residual_multiplier=1 << rng.integers(0, 4, out) if extras else None,
        residual_shift=1 if extras else 0,
        shortcut_thresholds=np.sort(rng.integers(-900, 900, (inp, codes)), axis=1) if codes else None,
        shortcut_descending=rng.random(inp) < 0.3 if codes else None,
        link_multiplier=rng.integers(-50, 50, out) if spec.elastic_link else None,
        link_offset=rng.integers(-50, 50, out) if spec.elastic_link else None,
        link_shift=8 if spec.elastic_link else 0,
        si=random_branch(rng, spec) if spec.si else None,
    )


def random_branch(rng: np.random.Generator, spec: GatedConvSpec) -> SIProgram:
    assert spec.si is not None
    width, half = spec.si.width, 1 << (spec.si.bits - 1)
    inner = 1 if spec.si.interaction == "depthwise" else width
    return SIProgram(
        spec.si.bits,
        rng.integers(-900, 900, spec.in_channels),
        rng.integers(-900, 900, spec.in_channels),
        14,
        rng.integers(-500, 500, (width, spec.in_channels)),
        rng.integers(-900, 900, width),
        8,
        rng.integers(-half, half, (width, inner, 3, 3)),
        4,
        rng.integers(-900, 900, (spec.out_channels, width)),
        rng.integers(-900, 900, spec.out_channels),
        4,
    )


def random_folding(
    design: Design, lanes: dict[int, int], seed: int = 0, *, memory: str = "logic", slices: tuple[int, ...] = ()
) -> Folding:
    """Return a folding with these lanes for each number of channels, and random channel orders.

    `slices` are those of the gated convolutions, in order; left out, all are whole.
    """
    rng = np.random.default_rng(seed)
    stem = topology(design)[0]

    def layer(name: str, channels: int) -> LayerFolding:
        return LayerFolding(name, lanes[channels], memory, tuple(int(c) for c in rng.permutation(channels)))

    return Folding(
        LayerFolding("stem", lanes[stem.out_channels], "logic"),
        tuple(
            replace(layer(spec.name, spec.out_channels), slices=count)
            for spec, count in zip_longest(gated_convs(design), slices, fillvalue=1)
        ),
        LayerFolding("classifier", 2, "bram"),
    )
