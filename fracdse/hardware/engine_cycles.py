"""Cycles a frame of an engine, from the loop structure of the released FracBNN accelerators: both passes always run."""

from __future__ import annotations

from fracdse.design import Design
from fracdse.hardware.engine import EngineParameters
from fracdse.hardware.network import network_layers
from fracdse.topology import ClassifierSpec, GatedConvSpec, PoolSpec, StemSpec

_PASSES = 2
# Registers between a loop's first read and its last write: 15 cycles a call of the convolution tile (HLS report of
# binary_conv3x3_tile, (H + 1)² + 15), 6 of the others (bn1, H² + 6).
_TILE_DEPTH = 15
_LOOP_DEPTH = 6


def engine_cycles(design: Design, parameters: EngineParameters) -> float:
    """Return the cycles a frame of an engine."""
    return _on_chip(design, parameters) if parameters.weights == "on chip" else _streamed(design, parameters)


def _on_chip(design: Design, parameters: EngineParameters) -> float:
    """Count an engine that keeps all weights and maps on chip and works on whole maps.

    A convolution tile takes (H+1)·(W+1) cycles a word of input channels and pass for all lanes, at the resolution of
    its input; batch norm H·W of the output a tile; quantising and packing 4·H·W of the input a layer; where channels
    double, pooling the shortcut takes H·W of the input and H·W of the output a tile.
    """
    lanes, word, total = parameters.lanes, parameters.word, 0
    for spec in network_layers(design):
        if isinstance(spec, StemSpec):
            words = spec.colours * -(-spec.levels // word)
            tiles = -(-spec.out_channels // lanes)
            pixels = spec.in_height * spec.in_width
            total += tiles * (words * _PASSES * ((spec.in_height + 1) * (spec.in_width + 1) + _TILE_DEPTH))
            total += tiles * (pixels + _LOOP_DEPTH)
        elif isinstance(spec, GatedConvSpec):
            tiles, words = -(-spec.out_channels // lanes), -(-spec.in_channels // word)
            inside, outside = spec.in_height * spec.in_width, spec.out_height * spec.out_width
            total += tiles * words * _PASSES * ((spec.in_height + 1) * (spec.in_width + 1) + _TILE_DEPTH)
            total += tiles * (outside + _LOOP_DEPTH) + 4 * inside + _LOOP_DEPTH
            if spec.stride > 1:
                total += -(-spec.in_channels // lanes) * (inside + outside + 2 * _LOOP_DEPTH) + outside
        elif isinstance(spec, PoolSpec):
            total += spec.height * spec.width * -(-spec.channels // lanes) + _LOOP_DEPTH
        else:
            total += spec.features + _LOOP_DEPTH
    return float(total)


def _streamed(design: Design, parameters: EngineParameters) -> float:
    """Count an engine with weights in DRAM: per output tile, row tile and input word weights, then two passes; then
    post.

    Every burst waits `memory_latency_cycles`; three bursts a post (shortcut read, constants, result written back).
    """
    lanes, word, rows = parameters.lanes, parameters.word, parameters.row_tile
    cycles, bursts = 0, 0
    for spec in network_layers(design):
        if isinstance(spec, StemSpec):
            tiles = -(-spec.in_height // rows) * -(-spec.out_channels // lanes)
            tile = (rows + 2) * (spec.in_width + 1)
            cycles += tiles * 2 * spec.colours * tile
            bursts += tiles * spec.colours
        elif isinstance(spec, GatedConvSpec):
            tiles = -(-spec.out_channels // lanes) * -(-spec.in_height // rows)
            words = -(-spec.in_channels // word)
            bus_words = -(-lanes * word * spec.kernel**2 // parameters.bus_bits)
            halo = spec.kernel - 1
            tile = (rows + halo) * (spec.in_width + halo // 2)
            cycles += tiles * words * (2 * bus_words + _PASSES * tile)
            cycles += tiles * 3 * rows * spec.out_width
            bursts += tiles * (words + 3)
        elif isinstance(spec, PoolSpec):
            cycles += spec.height * spec.width * -(-spec.channels // lanes)
        elif isinstance(spec, ClassifierSpec):
            cycles += spec.features * -(-spec.classes // lanes)
            bursts += -(-spec.classes // lanes)
    return float(cycles + bursts * parameters.memory_latency_cycles)
