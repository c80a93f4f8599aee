"""Random trained-looking networks: what synthesis sees of a network is its sizes and the spread of its constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fracdse.design import Design
from fracdse.parameters import (
    Affine,
    ClassifierParameters,
    GatedConvParameters,
    NetworkParameters,
    SIParameters,
    StemParameters,
)
from fracdse.program.float_reference import first_residual, next_residual
from fracdse.topology import GatedConvSpec, PoolSpec, SIBranchSpec, StemSpec, gated_convs, topology

FloatArray = NDArray[np.float32]
# Chance that a stem weight's sign changes from one level to the next. The released FracBNN network changes it more
# often (0.22) but to and fro; with this chance a tap's sum over its levels spans as many bits as there: 4.0 at 32.
_SIGN_CHANGES = 0.07
# Standard deviations of residual channels behind a trained block, and behind the last one; how much they differ.
_SPREAD, _LAST_SPREAD, _SPREAD_OF_SPREADS = 0.8, 2.0, 0.25


def random_parameters(design: Design, generator: np.random.Generator) -> NetworkParameters:
    """Return parameters of the size and spread that trained networks have.

    Sums are scaled to unit variance by the batch norms, about four in ten gates open, PReLU slopes run from −1 to 1,
    and a few scales are negative, as in the released FracBNN network.
    """
    layers = topology(design)
    stem = next(spec for spec in layers if isinstance(spec, StemSpec))
    pool = next(spec for spec in layers if isinstance(spec, PoolSpec))
    stem_shape = (stem.out_channels, stem.in_channels, stem.kernel, stem.kernel)
    # The levels of a tap mostly agree, so a sum is spread like its taps, each about half its levels.
    spread = 0.5 * stem.levels * (stem.colours * stem.kernel**2) ** 0.5
    return NetworkParameters(
        design,
        StemParameters(
            _stem_signs(generator, stem_shape, stem.levels), _norm(generator, stem.out_channels, 3 * spread, design)
        ),
        tuple(_conv(generator, spec, design) for spec in gated_convs(design)),
        ClassifierParameters(
            generator.normal(0, 0.3, (design.image.classes, pool.channels)).astype(np.float32),
            generator.normal(0, 0.3, design.image.classes).astype(np.float32),
        ),
    )


def settled(
    parameters: NetworkParameters, images: NDArray[np.uint8], generator: np.random.Generator
) -> NetworkParameters:
    """Return the parameters with norms behind stem and blocks as training leaves them on `images`.

    Spreads of residual channels are lognormal around 0.8, those of the last layer around 2, and their means within 0.3
    of 0: so they are in the released FracBNN network and in those trained in docs/accuracy.md, whatever the depth.
    Without batch norms nothing keeps residuals in place, and nothing is changed.
    """
    if not parameters.design.network.batch_norm:
        return parameters
    *inner, last = zip(gated_convs(parameters.design), parameters.convs, strict=True)
    stem = parameters.stem
    norm = _settled_norm(stem.norm, first_residual(parameters, images), _SPREAD, parameters.design, generator)
    parameters = replace(parameters, stem=replace(stem, norm=norm))
    residual = first_residual(parameters, images)
    convs = []
    for (spec, layer), wanted in [*((each, _SPREAD) for each in inner), (last, _LAST_SPREAD)]:
        found = next_residual(spec, layer, residual)
        norm = _settled_norm(layer.norm_out, found, wanted, parameters.design, generator)
        convs.append(replace(layer, norm_out=norm))
        residual = next_residual(spec, convs[-1], residual)
    return replace(parameters, convs=tuple(convs))


def _settled_norm(
    norm: Affine, residual: FloatArray, wanted: float, design: Design, generator: np.random.Generator
) -> Affine:
    """Return the norm in place of one that gave `residual`, so that channels spread around `wanted`."""
    raw = (residual - norm.shift) / norm.scale
    spread = np.maximum(raw.std((0, 1, 2)), 1e-3)
    scale = wanted * generator.lognormal(0, _SPREAD_OF_SPREADS, len(spread)) / spread
    scale = _powers(scale) if design.network.power_of_two else scale.astype(np.float32)
    mean = _normal(generator, len(spread), 0, 0.3)
    return Affine(scale, (mean - scale * raw.mean((0, 1, 2))).astype(np.float32))


def random_images(design: Design, generator: np.random.Generator, count: int = 2) -> NDArray[np.uint8]:
    """Return smooth random images, of shape (count, height, width, colours)."""
    image = design.image
    coarse = generator.integers(0, 256, (count, image.height // 4 + 1, image.width // 4 + 1, image.colours))
    fine = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, : image.height, : image.width]
    return np.asarray(fine, dtype=np.uint8)


def _conv(generator: np.random.Generator, spec: GatedConvSpec, design: Design) -> GatedConvParameters:
    channels = spec.out_channels
    spread = spec.fan_in**0.5
    slope = generator.uniform(-1, 1, channels)
    return GatedConvParameters(
        weight=_signs(generator, (channels, spec.in_channels, spec.kernel, spec.kernel)),
        threshold=_normal(generator, channels, 0.2 * spread, 0.2 * spread),
        norm_conv=_norm(generator, channels, spread, design),
        shift_in=_normal(generator, channels, 0, 0.3),
        slope=_powers(slope) if design.network.power_of_two else slope.astype(np.float32),
        shift_out=_normal(generator, channels, 0, 0.3),
        norm_out=_norm(generator, channels, 1.3, design),
        link=_link(generator, channels, design) if spec.elastic_link else None,
        si=_si(generator, spec, spec.si) if spec.si else None,
    )


def _si(generator: np.random.Generator, spec: GatedConvSpec, branch: SIBranchSpec) -> SIParameters:
    width, inner = branch.width, branch.width if branch.interaction == "full" else 1
    step = 2.0 ** -(branch.bits - 3)
    return SIParameters(
        bits=branch.bits,
        squeeze=_normal(generator, (width, spec.in_channels), 0, spec.in_channels**-0.5),
        squeeze_bias=_normal(generator, width, 0, 0.1),
        interaction=(np.round(generator.normal(0, 0.4, (width, inner, 3, 3)) / step) * step).astype(np.float32),
        expand=_normal(generator, (spec.out_channels, width), 0, 0.3),
        expand_bias=_normal(generator, spec.out_channels, 0, 0.1),
        input_step=step,
        squeeze_step=step,
        interaction_step=step,
    )


def _link(generator: np.random.Generator, channels: int, design: Design) -> FloatArray:
    link = generator.normal(0.3, 0.2, channels)
    return _powers(link) if design.network.power_of_two else link.astype(np.float32)


def _norm(generator: np.random.Generator, channels: int, spread: float, design: Design) -> Affine:
    scale = generator.lognormal(0, 0.35, channels) / spread * np.where(generator.random(channels) < 0.1, -1, 1)
    scale = _powers(scale) if design.network.power_of_two else scale.astype(np.float32)
    return Affine(scale, _normal(generator, channels, 0, 0.3))


def _powers(values: NDArray[np.float64]) -> FloatArray:
    """Round to the nearest power of two in the exponent, keeping signs."""
    exponents = np.round(np.log2(np.maximum(np.abs(values), 1e-3)))
    return np.asarray(np.sign(values) * 2.0**exponents, dtype=np.float32)


def _normal(generator: np.random.Generator, shape: int | tuple[int, ...], mean: float, spread: float) -> FloatArray:
    return np.asarray(generator.normal(mean, spread, shape), dtype=np.float32)


def _stem_signs(generator: np.random.Generator, shape: tuple[int, ...], levels: int) -> FloatArray:
    """Return signs (C_out, colours·levels, 3, 3) that change seldom from one level of a tap to the next."""
    channels, inputs, *kernel = shape
    steps = np.where(generator.random((channels, inputs // levels, levels, *kernel)) < _SIGN_CHANGES, -1, 1)
    steps[:, :, 0] = generator.choice([-1, 1], steps[:, :, 0].shape)
    return np.asarray(np.cumprod(steps, axis=2).reshape(shape), dtype=np.float32)


def _signs(generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.where(generator.random(shape) < 0.5, -1, 1).astype(np.float32)
