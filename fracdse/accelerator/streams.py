"""Shapes of the ready/valid streams between units."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream


def lanes_stream(shape: Shape, lanes: int) -> stream.Signature:
    """Describe a stream whose beat carries one value a lane."""
    return stream.Signature(data.ArrayLayout(shape, lanes))


def feature_stream(feature_bits: int, lanes: int) -> stream.Signature:
    """Describe a stream of residual words u: channels/lanes beats a pixel, pixels in raster order."""
    return lanes_stream(signed(feature_bits), lanes)


def code_stream(channels: int) -> stream.Signature:
    """Describe a stream of two-bit activations: one beat a pixel, channels in natural order."""
    return lanes_stream(unsigned(2), channels)
