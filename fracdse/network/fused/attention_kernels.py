"""Triton kernels for the distance of two attention maps; `attention` puts them together, and says what is computed."""

import triton
import triton.language as tl

_SMALLEST_MAXIMUM = tl.constexpr(1e-12)


@triton.jit
def channel_power(x, power, pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Write the mean over channels of x² of every pixel."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channels = tl.arange(0, WIDTH)
    inside = (rows < pixels)[:, None] & (channels < CHANNELS)[None, :]
    value = tl.load(x + rows[:, None] * CHANNELS + channels[None, :], mask=inside, other=0.0)
    tl.store(power + rows, tl.sum(value * value, axis=1) / CHANNELS, mask=rows < pixels)


@triton.jit
def channel_power_backward(x, d_power, d_x, pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Write the gradient of x."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channels = tl.arange(0, WIDTH)
    inside = (rows < pixels)[:, None] & (channels < CHANNELS)[None, :]
    offsets = rows[:, None] * CHANNELS + channels[None, :]
    d = tl.load(d_power + rows, mask=rows < pixels, other=0.0) * (2.0 / CHANNELS)
    tl.store(d_x + offsets, tl.load(x + offsets, mask=inside, other=0.0) * d[:, None], mask=inside)


@triton.jit
def _image_map(power, PIXELS: tl.constexpr, BLOCK: tl.constexpr):
    """Return the powers of this program's image, and their maximum."""
    index = tl.arange(0, BLOCK)
    value = tl.load(power + tl.program_id(0) * PIXELS + index, mask=index < PIXELS, other=0.0)
    return value, tl.max(value, axis=0)


@triton.jit
def map_distance(power, target, distance, PIXELS: tl.constexpr, BLOCK: tl.constexpr):
    """Write the squared distance of an image's two maps, each divided by its maximum."""
    own, largest = _image_map(power, PIXELS, BLOCK)
    wanted, largest_wanted = _image_map(target, PIXELS, BLOCK)
    difference = own / tl.maximum(largest, _SMALLEST_MAXIMUM) - wanted / tl.maximum(largest_wanted, _SMALLEST_MAXIMUM)
    tl.store(distance + tl.program_id(0), tl.sum(difference * difference, axis=0))


@triton.jit
def map_distance_backward(gradient, power, target, d_power, factor, PIXELS: tl.constexpr, BLOCK: tl.constexpr):
    """Write the gradient of `power`; that of a maximum is shared by all pixels that have it."""
    own, largest = _image_map(power, PIXELS, BLOCK)
    wanted, largest_wanted = _image_map(target, PIXELS, BLOCK)
    divisor = tl.maximum(largest, _SMALLEST_MAXIMUM)
    difference = own / divisor - wanted / tl.maximum(largest_wanted, _SMALLEST_MAXIMUM)
    d = 2.0 * factor * tl.load(gradient) * difference
    index = tl.arange(0, BLOCK)
    highest = (own == largest) & (index < PIXELS)
    sharers = tl.maximum(tl.sum(highest.to(tl.float32), axis=0), 1.0)
    of_largest = -tl.sum(d * own, axis=0) / (divisor * divisor * sharers)
    of_largest = tl.where(largest < _SMALLEST_MAXIMUM, 0.0, of_largest)
    result = d / divisor + tl.where(highest, of_largest, 0.0)
    tl.store(d_power + tl.program_id(0) * PIXELS + index, result, mask=index < PIXELS)
