"""Turn a trained network into the plain arrays that lowering reads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fracdse.errors import ProgramError
from fracdse.network.layer import BN_FREE_BRANCH, GatedLayer
from fracdse.network.network import FractionalNetwork
from fracdse.network.norms import Norm
from fracdse.network.quantisers import sign_weight
from fracdse.network.si_shortcut import SIShortcut
from fracdse.parameters import (
    Affine,
    ClassifierParameters,
    FloatArray,
    GatedConvParameters,
    NetworkParameters,
    SIParameters,
    StemParameters,
)


@torch.no_grad()
def export_parameters(network: FractionalNetwork) -> NetworkParameters:
    """Return what a binary network consists of in evaluation: statistics folded, weights as signs.

    Raises:
        ProgramError: The network computes with other weights than binary ones.
    """
    if network.precision != "binary":
        raise ProgramError(
            f"the network's precision is '{network.precision}'; only a 'binary' one becomes an integer program",
            hint="Measure it without --program, or train the design with binary weights.",
        )
    stem = StemParameters(_array(sign_weight(network.stem.weight)), _affine(network.stem.norm))
    convs = tuple(_gated(layer) for layer in network.gated_layers())
    head = network.classifier
    classifier = ClassifierParameters(_array(head.weight), _array(head.bias))
    return NetworkParameters(network.design, stem, convs, classifier)


def _gated(layer: GatedLayer) -> GatedConvParameters:
    """Export a gated convolution. Without batch norms the branch's factor goes into the maps around the RPReLU."""
    factor = np.float32(1.0 if layer.spec.batch_norm else BN_FREE_BRANCH)
    norm_conv = _affine(layer.norm_conv)
    return GatedConvParameters(
        weight=_array(layer.convolution_weight()),
        threshold=_array(layer.threshold),
        norm_conv=Affine(norm_conv.scale * factor, norm_conv.shift * factor),
        shift_in=_array(layer.rprelu.shift_in) * factor,
        slope=_array(layer.slope()),
        shift_out=_array(layer.rprelu.shift_out) * factor,
        norm_out=_affine(layer.norm_out),
        link=None if layer.link is None else _array(layer.link_factor()),
        si=None if layer.si is None else _si(layer.si),
    )


def _si(si: SIShortcut) -> SIParameters:
    return SIParameters(
        bits=si.bits,
        squeeze=_array(si.rounded(si.squeeze)),
        squeeze_bias=_array(si.rounded_bias()),
        interaction=_array(si.rounded(si.interaction)),
        expand=_array(si.rounded(si.expand)),
        expand_bias=_array(si.expand_bias),
        input_step=float(si.input_range.step),
        squeeze_step=float(si.squeeze_range.step),
        interaction_step=float(si.interaction_range.step),
    )


def _affine(norm: Norm) -> Affine:
    scale, shift = norm.folded()
    return Affine(_array(scale), _array(shift))


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().cpu().float().contiguous().numpy().copy()
