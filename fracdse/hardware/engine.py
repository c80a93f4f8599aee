"""The engine architecture: one array of lanes that all layers share in time. Its parameters and its resources.

Structural counts only; no coefficient is fitted. A lane is one output channel: for each kernel tap an XNOR and a
popcount over one word of input channels, the sum over taps, and a chain of multiply-adds for batch norms and RPReLU.
The counts follow the released FracBNN accelerators (arXiv:2012.12206; their reports give 16 lanes of 9 taps × 64 bits
and 32 lanes of 9 taps × 32 bits with a second array for 1×1 kernels, and six or two feature buffers a lane). What is
assumed rather than known is said at each constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fracdse.design import Design
from fracdse.hardware.network import network_layers
from fracdse.memories import bram18
from fracdse.topology import ClassifierSpec, GatedConvSpec, LayerSpec, StemSpec

# Multipliers a lane: five in the chain of two batch norms, PReLU and the two passes' scales, one in the convolution
# tile (counted in the instance list of the CIFAR-10 build). One more, for addresses, a module: assumed.
_MULTIPLIERS_A_LANE = 6
_CONSTANTS_A_LANE = 8
_LARGEST_CLASSIFIER_LANES = 32
# Adders of a word's width a lane: four biases, shortcut, two passes' sum, gate, side of the PReLU, two roundings with
# saturation, two pooling sums, two quantiser thresholds: 14. Multiplexers between buffers and modes: 8. Both assumed.
_ADDERS_A_LANE = 14
_MULTIPLEXERS_A_LANE = 8
_AXI_LUTS_A_BIT = 3
_CONTROL_LUTS = 2500
_ON_CHIP_MODULES = 8
_STREAMED_MODULES = 11


@dataclass(frozen=True)
class EngineParameters:
    """What is built. `word` is the number of input channels a tap takes at once; `row_tile` is 0 for whole maps."""

    weights: Literal["on chip", "dram"]
    lanes: int
    word: int
    row_tile: int
    bus_bits: int
    buffers_a_lane: int
    memory_latency_cycles: int = 100


CIFAR_ENGINE = EngineParameters("on chip", lanes=16, word=64, row_tile=0, bus_bits=32, buffers_a_lane=6)
IMAGENET_ENGINE = EngineParameters("dram", lanes=32, word=32, row_tile=7, bus_bits=512, buffers_a_lane=2)
_LARGEST_ON_CHIP_WEIGHTS = 1_000_000


@dataclass(frozen=True)
class EngineResources:
    """Counts of one engine."""

    lut: float
    ff: float
    bram18: int
    dsp: int


def engine_parameters(design: Design) -> EngineParameters:
    """Return the engine for a design: weights on chip up to a million bits, else streamed from DRAM."""
    bits = sum(spec.fan_in * spec.out_channels for spec in network_layers(design) if isinstance(spec, GatedConvSpec))
    return CIFAR_ENGINE if bits <= _LARGEST_ON_CHIP_WEIGHTS else IMAGENET_ENGINE


def popcount_luts(inputs: int) -> int:
    """Return the LUTs of XNOR and popcount over `inputs` bits as adders of doubling width.

    Two products are four inputs and two outputs, one dual-output LUT; two such sums are two LUTs; from there an adder
    of n bits is n + 1 LUTs.
    """
    luts = -(-inputs // 2) + 2 * -(-inputs // 4)
    count, bits = -(-inputs // 4), 3
    while count > 1:
        luts += (count // 2) * (bits + 1)
        count, bits = -(-count // 2), bits + 1
    return luts


def engine_resources(design: Design, parameters: EngineParameters) -> EngineResources:
    """Return the resources of an engine for a design."""
    layers = network_layers(design)
    convs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    choices = design.accelerator
    lanes, word = parameters.lanes, parameters.word
    kernels = {spec.kernel for spec in convs}
    count_bits = word.bit_length()
    counts = lanes * popcount_luts(word) * sum(kernel * kernel for kernel in kernels)
    # A tap: a subtraction (channels − 2·count), a selection at the border and an adder of the tree.
    taps = lanes * sum((3 * kernel * kernel - 1) * (count_bits + 2) for kernel in kernels)
    stored = sum(spec.fan_in * spec.out_channels for spec in convs) if parameters.weights == "on chip" else 0
    array_bits = lanes * word * sum(kernel * kernel for kernel in kernels)
    weight_luts = array_bits * -(-stored // (64 * array_bits))
    constants = _constant_luts(len(convs), lanes, choices.constant_bits) if parameters.weights == "on chip" else 0.0
    chain = lanes * (_ADDERS_A_LANE + _MULTIPLEXERS_A_LANE) * choices.feature_bits
    ports = 2 if parameters.weights == "on chip" else 3
    axi = ports * parameters.bus_bits * _AXI_LUTS_A_BIT
    lut = counts + taps + weight_luts + constants + chain + axi + _CONTROL_LUTS
    register_words = lanes * (2 * _ADDERS_A_LANE + _MULTIPLIERS_A_LANE) * choices.feature_bits
    weight_registers = 2 * array_bits if parameters.weights == "dram" else array_bits
    count_registers = lanes * count_bits * 4 * sum(kernel * kernel for kernel in kernels)
    ff = weight_registers + register_words + count_registers + 4 * ports * parameters.bus_bits + _CONTROL_LUTS
    return EngineResources(lut, ff, _blocks(layers, design, parameters), _multipliers(layers, parameters))


def _constant_luts(layers: int, lanes: int, constant_bits: int) -> float:
    """Count the multiplexers that choose a lane's constants among layers; a LUT6 takes three inputs off a bit.

    The CIFAR-10 build has 112 of them, seven a lane (its instance list).
    """
    return lanes * (_CONSTANTS_A_LANE - 1) * constant_bits * (layers - 1) / 3


def _multipliers(layers: tuple[LayerSpec, ...], parameters: EngineParameters) -> int:
    classes = next(spec.classes for spec in layers if isinstance(spec, ClassifierSpec))
    modules = _ON_CHIP_MODULES if parameters.weights == "on chip" else _STREAMED_MODULES
    return parameters.lanes * _MULTIPLIERS_A_LANE + min(classes, _LARGEST_CLASSIFIER_LANES) + modules


def _blocks(layers: tuple[LayerSpec, ...], design: Design, parameters: EngineParameters) -> int:
    """Count block RAM: feature buffers and constants a lane, packed two-bit maps, pooling buffers, bus FIFOs."""
    choices = design.accelerator
    convs = [spec for spec in layers if isinstance(spec, GatedConvSpec)]
    stem = next(spec for spec in layers if isinstance(spec, StemSpec))
    height, width = (stem.out_height, stem.out_width)
    rows = parameters.row_tile + 2 if parameters.row_tile else height + 1
    columns = width + 2 if parameters.row_tile else width + 1
    buffers = parameters.lanes * parameters.buffers_a_lane * bram18(choices.feature_bits, rows * columns)
    constants = parameters.lanes * bram18(_CONSTANTS_A_LANE * choices.constant_bits, 64)
    pooling = parameters.lanes
    padded = 2 if parameters.row_tile else 1
    words = max(
        -(-spec.in_channels // parameters.word) * (spec.in_height + padded) * (spec.in_width + padded) for spec in convs
    )
    maps = bram18(2 * parameters.word, words)
    ports = 2 if parameters.weights == "on chip" else 3
    fifos = ports * bram18(parameters.bus_bits, 256)
    return buffers + constants + pooling + maps + fifos
