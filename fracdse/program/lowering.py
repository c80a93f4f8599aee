"""Lower a trained network to its integer program."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fracdse.errors import ProgramError
from fracdse.parameters import ClassifierParameters, NetworkParameters
from fracdse.program.fixed_point import (
    LOGIT_BITS,
    classifier_weight_bits,
    largest_pooled_word,
    nearest_int,
    pooled_bits,
    pooling_shift,
    word_limits,
)
from fracdse.program.float_reference import residual_ranges
from fracdse.program.lower_conv import lower_gated_conv, lower_stem
from fracdse.program.model import ClassifierProgram, Program
from fracdse.program.scales import WordScale, plan_scales
from fracdse.program.validation import check_program, check_word_lengths
from fracdse.topology import PoolSpec, gated_convs, topology


def lower(parameters: NetworkParameters, calibration: NDArray[np.uint8]) -> Program:
    """Lower a network; scales are chosen so that no residual of the calibration images (N, H, W, colours) saturates.

    Deterministic: the same parameters and images give the same program.

    Raises:
        ProgramError: A parameter is not a number, the images are not the design's, the word lengths are out of range or
            do not hold the network's constants, or a power-of-two design has a scale that is none.
    """
    _check(parameters, calibration)
    design = parameters.design
    scales = plan_scales(parameters, residual_ranges(parameters, calibration))
    convs = tuple(
        lower_gated_conv(spec, layer, design, before, after)
        for spec, layer, before, after in zip(
            gated_convs(design), parameters.convs, scales[:-1], scales[1:], strict=True
        )
    )
    program = Program(
        design=design,
        feature_bits=design.accelerator.feature_bits,
        stem=lower_stem(parameters.stem, design, scales[0]),
        convs=convs,
        classifier=_lower_classifier(parameters, scales[-1]),
    )
    _check_result(program)
    return program


def _check_result(program: Program) -> None:
    """Raise ProgramError for a program that its own file format would refuse."""
    accelerator = program.design.accelerator
    try:
        check_program(program)
    except ProgramError as error:
        raise ProgramError(
            f"accelerator.feature_bits = {accelerator.feature_bits} and constant_bits = {accelerator.constant_bits} "
            f"give no program of this network: {error.message}",
            hint="Choose other word lengths; 16 bits for both suit most networks.",
        ) from error


def _lower_classifier(parameters: NetworkParameters, scale: WordScale) -> ClassifierProgram:
    """Lower pool and classifier: alpha and beta of the pooled words move into its weights and bias."""
    layer: ClassifierParameters = parameters.classifier
    accelerator = parameters.design.accelerator
    pool = next(spec for spec in topology(parameters.design) if isinstance(spec, PoolSpec))
    pixels = pool.height * pool.width
    pool_shift = pooling_shift(accelerator.feature_bits, pixels)
    weight = layer.weight.astype(float) * scale.alpha * (2.0**pool_shift / pixels)
    bias = layer.bias.astype(float) + layer.weight.astype(float) @ scale.beta
    weight_bits = classifier_weight_bits(
        layer.weight.shape[1], pooled_bits(accelerator.feature_bits), accelerator.constant_bits
    )
    largest_word = largest_pooled_word(accelerator.feature_bits, pixels, pool_shift)
    largest_logit = np.abs(weight).sum(1) * largest_word + np.abs(bias)
    # Half a unit of rounding in every weight and in the bias must fit beside the logit itself.
    rounding = (layer.weight.shape[1] * largest_word + 1) / 2
    scale_of_logit = max(
        float(np.max(np.abs(weight), initial=0.0)) / word_limits(weight_bits)[1],
        float(largest_logit.max()) / (word_limits(LOGIT_BITS)[1] - rounding),
        1e-30,
    )
    return ClassifierProgram(
        pool_shift, nearest_int(weight / scale_of_logit), nearest_int(bias / scale_of_logit), scale_of_logit
    )


def _check(parameters: NetworkParameters, calibration: NDArray[np.uint8]) -> None:
    design = parameters.design
    check_word_lengths(design.accelerator.feature_bits, design.accelerator.constant_bits)
    image = design.image
    expected = (image.height, image.width, image.colours)
    if calibration.dtype != np.uint8 or calibration.shape[1:] != expected or len(calibration) == 0:
        raise ProgramError(
            f"calibration images of shape {calibration.shape} and type {calibration.dtype} do not fit the design; "
            f"allowed: (at least 1, {image.height}, {image.width}, {image.colours}) of type uint8"
        )
    for name, array in _arrays(parameters):
        if not np.all(np.isfinite(array)):
            raise ProgramError(
                f"{name} holds values that are not finite numbers", hint="Training diverged: lower its learning rate."
            )


def _arrays(parameters: NetworkParameters) -> list[tuple[str, NDArray[np.float32]]]:
    arrays = [("stem scale", parameters.stem.norm.scale), ("stem shift", parameters.stem.norm.shift)]
    for spec, layer in zip(gated_convs(parameters.design), parameters.convs, strict=True):
        for part in ("threshold", "shift_in", "slope", "shift_out", "link"):
            if getattr(layer, part) is not None:
                arrays.append((f"layer {spec.name}: {part}", getattr(layer, part)))
        for part in ("norm_conv", "norm_out"):
            arrays.append((f"layer {spec.name}: {part} scale", getattr(layer, part).scale))
            arrays.append((f"layer {spec.name}: {part} shift", getattr(layer, part).shift))
        if layer.si is not None:
            arrays += [(f"layer {spec.name}: SI {part}", np.asarray(value)) for part, value in vars(layer.si).items()]
    return [
        *arrays,
        ("classifier weight", parameters.classifier.weight),
        ("classifier bias", parameters.classifier.bias),
    ]
