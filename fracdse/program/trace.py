"""Every intermediate word of one image: what a unit of the RTL is compared with.

All maps are (channel, row, column) arrays of int64 (booleans for gates), named as in `fracdse.program.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fracdse.program.execute_conv import ConvResult
from fracdse.program.model import BoolArray, GatedConvProgram, IntArray


@dataclass(frozen=True)
class SITrace:
    """z (I, H, W), a (S, H, W), b (S, H', W') and si (C, H', W')."""

    z: IntArray
    a: IntArray
    b: IntArray
    si: IntArray


@dataclass(frozen=True)
class LayerTrace:
    """One gated convolution: codes k (I, H, W); M, L, gate, y after clip and link, and u', all (C, H', W')."""

    name: str
    codes: IntArray
    leading: IntArray
    trailing: IntArray
    gate: BoolArray
    y: IntArray
    u: IntArray
    si: SITrace | None


@dataclass(frozen=True)
class ProgramTrace:
    """One image: the stem's y and u, each gated convolution, the pooled words p (C,) and the logits (classes,)."""

    stem_y: IntArray
    stem_u: IntArray
    layers: tuple[LayerTrace, ...]
    pooled: IntArray
    logits: IntArray


def layer_trace(layer: GatedConvProgram, result: ConvResult) -> LayerTrace:
    """Return the trace of a layer that ran on one image."""
    si = result.si
    return LayerTrace(
        name=layer.name,
        codes=channel_first(np.where(layer.descending, 3 - result.reached, result.reached)),
        leading=channel_first(result.leading),
        trailing=channel_first(result.trailing),
        gate=channel_first(result.gate).astype(np.bool_),
        y=channel_first(result.y),
        u=channel_first(result.words),
        si=None if si is None else SITrace(*map(channel_first, (si.z, si.a, si.b, si.added))),
    )


def channel_first(maps: NDArray[Any]) -> IntArray:
    """Return the only image of maps (1, H, W, C) as (C, H, W) integers."""
    return np.ascontiguousarray(maps[0].transpose(2, 0, 1)).astype(np.int64)
