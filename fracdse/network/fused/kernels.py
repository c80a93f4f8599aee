"""Triton kernels for the pointwise work of a gated layer in training; `layer` puts them together.

Maps are stored channels last, so a map is a matrix of `pixels` rows and CHANNELS columns; a program works on ROWS of
its rows, padded to WIDTH columns, a power of two. Sums a channel are left as one row a program, which the `finish`
kernels add up: no atomics, so a run repeats. What each formula means is written in `layer`.
"""

import triton
import triton.language as tl

_FINISH_ROWS = tl.constexpr(256)


@triton.jit
def _tile(pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Return this program's channels, whether each is real, offsets into the map, and whether each is inside."""
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channels = tl.arange(0, WIDTH)
    real = channels < CHANNELS
    inside = (rows < pixels)[:, None] & real[None, :]
    return channels, real, rows[:, None] * CHANNELS + channels[None, :], inside


@triton.jit
def _limit(threshold, channels, real, BINARY: tl.constexpr):
    """Return what a leading sum must exceed for its gate to open: 1.5·Δ, or its floor where sums are integers."""
    limit = 1.5 * tl.load(threshold + channels, mask=real, other=0.0).to(tl.float64)
    if BINARY:
        limit = tl.floor(limit)
    return limit.to(tl.float32)[None, :]


@triton.jit
def _convolved_sums(
    leading, trailing, threshold, channels, real, GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr
):
    """Return the convolution's output: (2·M + gate·L)/3 of both passes' sums, or the plain sum of a float layer.

    With CLIP it is clamped to −CLIP/3…(CLIP − 1)/3.
    """
    out = leading.to(tl.float32)
    if GATED:
        opened = out > _limit(threshold, channels, real, BINARY)
        out = out * (2.0 / 3.0) + tl.where(opened, trailing.to(tl.float32), 0.0) * (1.0 / 3.0)
        if CLIP:
            out = tl.minimum(tl.maximum(out, -CLIP / 3.0), (CLIP - 1) / 3.0)
    return out


@triton.jit
def _convolved(
    sums, threshold, half, channels, real, offsets, inside,
    GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr,
):  # fmt: skip
    leading = tl.load(sums + offsets, mask=inside, other=0.0)
    trailing = leading
    if GATED:
        trailing = tl.load(sums + half + offsets, mask=inside, other=0.0)
    return _convolved_sums(leading, trailing, threshold, channels, real, GATED, BINARY, CLIP)


@triton.jit
def _vector(vectors, index, channels, real, CHANNELS: tl.constexpr):
    return tl.load(vectors + index * CHANNELS + channels, mask=real, other=0.0)[None, :]


@triton.jit
def _leave_sum(partial, index, COUNT: tl.constexpr, values, channels, real, CHANNELS: tl.constexpr):
    row = partial + (tl.program_id(0) * COUNT + index) * CHANNELS
    tl.store(row + channels, tl.sum(values, axis=0), mask=real)


@triton.jit
def _collect(partial, index, COUNT: tl.constexpr, programs, channel, CHANNELS: tl.constexpr):
    """Return the sum over programs of one of the COUNT sums of a channel."""
    rows = tl.arange(0, _FINISH_ROWS)
    total = tl.zeros((_FINISH_ROWS,), dtype=tl.float64)
    for start in range(0, programs, _FINISH_ROWS):
        row = start + rows
        total += tl.load(partial + (row * COUNT + index) * CHANNELS + channel, mask=row < programs, other=0.0).to(
            tl.float64
        )
    return tl.sum(total, axis=0)


@triton.jit
def _exp2(whole):
    """Return 2^whole exactly, for whole numbers of float32's normal range."""
    return ((whole.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def _power_of_two(x):
    """Return the nearest signed power of two in the logarithm."""
    size = _exp2(tl.floor(tl.log2(tl.maximum(tl.abs(x), 5.9604644775390625e-08)) + 0.5))
    return tl.where(x < 0, -size, size)


@triton.jit
def finish_statistics(
    partial, programs, count, weight, bias, after, before, running_mean, running_variance, momentum, epsilon, vectors,
    ROUNDED: tl.constexpr, AFTER: tl.constexpr, BEFORE: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write scale, shift, mean and 1/σ of a batch norm into `vectors` (4, C), and follow its running statistics."""
    channel = tl.program_id(0)
    mean = _collect(partial, 0, 2, programs, channel, CHANNELS) / count
    variance = tl.maximum(_collect(partial, 1, 2, programs, channel, CHANNELS) / count - mean * mean, 0.0)
    rstd = 1.0 / tl.sqrt(variance + epsilon)
    scale = (tl.load(weight + channel) * rstd).to(tl.float32)
    if ROUNDED:
        scale = _power_of_two(scale)
    shift = tl.load(bias + channel) - mean * scale
    seen = mean
    if AFTER:
        shift += tl.load(after + channel)
    if BEFORE:
        seen += tl.load(before + channel)
    tl.store(vectors + channel, scale)
    tl.store(vectors + CHANNELS + channel, shift.to(tl.float32))
    tl.store(vectors + 2 * CHANNELS + channel, mean.to(tl.float32))
    tl.store(vectors + 3 * CHANNELS + channel, rstd.to(tl.float32))
    old_mean, old_variance = tl.load(running_mean + channel), tl.load(running_variance + channel)
    unbiased = variance * (count / tl.maximum(count - 1.0, 1.0))
    tl.store(running_mean + channel, (old_mean + momentum * (seen - old_mean)).to(tl.float32))
    tl.store(running_variance + channel, (old_variance + momentum * (unbiased - old_variance)).to(tl.float32))


@triton.jit
def fold_statistics(
    weight, bias, after, before, mean, variance, epsilon, vectors,
    ROUNDED: tl.constexpr, AFTER: tl.constexpr, BEFORE: tl.constexpr, CHANNELS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Write scale and shift of a batch norm in evaluation into `vectors` (4, C), the shifts around it included."""
    channels = tl.arange(0, WIDTH)
    real = channels < CHANNELS
    spread = tl.load(variance + channels, mask=real, other=1.0).to(tl.float64) + epsilon
    scale = (tl.load(weight + channels, mask=real, other=0.0) / tl.sqrt(spread)).to(tl.float32)
    if ROUNDED:
        scale = _power_of_two(scale)
    centre = tl.load(mean + channels, mask=real, other=0.0)
    if BEFORE:
        centre -= tl.load(before + channels, mask=real, other=0.0)
    shift = tl.load(bias + channels, mask=real, other=0.0) - centre * scale
    if AFTER:
        shift += tl.load(after + channels, mask=real, other=0.0)
    tl.store(vectors + channels, scale, mask=real)
    tl.store(vectors + CHANNELS + channels, shift, mask=real)


@triton.jit
def onto_base(
    sums, threshold, half, vectors, slope, base, total, partial, pixels,
    GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr,
    CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write total = base + prelu(scale·out + shift); leave Σ total and Σ total² a channel."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    out = _convolved(sums, threshold, half, channels, real, offsets, inside, GATED, BINARY, CLIP)
    h = out * _vector(vectors, 0, channels, real, CHANNELS) + _vector(vectors, 1, channels, real, CHANNELS)
    h = tl.where(h > 0, h, h * _vector(slope, 0, channels, real, CHANNELS))
    result = tl.load(base + offsets, mask=inside, other=0.0) + tl.where(inside, h, 0.0)
    tl.store(total + offsets, result, mask=inside)
    _leave_sum(partial, 0, 2, result, channels, real, CHANNELS)
    _leave_sum(partial, 1, 2, result * result, channels, real, CHANNELS)


@triton.jit
def affine(x, vectors, y, pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Write scale·x + shift."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    value = tl.load(x + offsets, mask=inside, other=0.0) * _vector(vectors, 0, channels, real, CHANNELS)
    tl.store(y + offsets, value + _vector(vectors, 1, channels, real, CHANNELS), mask=inside)


@triton.jit
def norm_sums(gradient, x, partial, pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Leave Σ g and Σ g·x a channel."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    g = tl.load(gradient + offsets, mask=inside, other=0.0)
    _leave_sum(partial, 0, 2, g, channels, real, CHANNELS)
    _leave_sum(partial, 1, 2, g * tl.load(x + offsets, mask=inside, other=0.0), channels, real, CHANNELS)


@triton.jit
def blend(gradient, x, results, d_x, pixels, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Write the gradient of a batch norm's input."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    d = tl.load(gradient + offsets, mask=inside, other=0.0) * _vector(results, 0, channels, real, CHANNELS)
    d += tl.load(x + offsets, mask=inside, other=0.0) * _vector(results, 1, channels, real, CHANNELS)
    tl.store(d_x + offsets, d + _vector(results, 2, channels, real, CHANNELS), mask=inside)


@triton.jit
def finish_norm_backward(
    partial, programs, count, weight, vectors, results, COUNT: tl.constexpr, CHANNELS: tl.constexpr
):
    """Write into `results` (6, C): the factors of g, of x and the constant of d_x, then d_weight, d_bias and the third
    sum, if there is one."""
    channel = tl.program_id(0)
    total = _collect(partial, 0, COUNT, programs, channel, CHANNELS)
    scale = tl.load(vectors + channel).to(tl.float64)
    mean = tl.load(vectors + 2 * CHANNELS + channel).to(tl.float64)
    rstd = tl.load(vectors + 3 * CHANNELS + channel).to(tl.float64)
    covariance = _collect(partial, 1, COUNT, programs, channel, CHANNELS) - total * mean
    of_x = -tl.load(weight + channel) * rstd * rstd * rstd * covariance / count
    tl.store(results + channel, scale.to(tl.float32))
    tl.store(results + CHANNELS + channel, of_x.to(tl.float32))
    tl.store(results + 2 * CHANNELS + channel, (-scale * total / count - of_x * mean).to(tl.float32))
    tl.store(results + 3 * CHANNELS + channel, (covariance * rstd).to(tl.float32))
    tl.store(results + 4 * CHANNELS + channel, total.to(tl.float32))
    if COUNT == 3:
        third = _collect(partial, 2, COUNT, programs, channel, CHANNELS)
        tl.store(results + 5 * CHANNELS + channel, third.to(tl.float32))


@triton.jit
def onto_base_backward(
    sums, threshold, half, vectors, slope, gradient, total, out_results, d_total, partial, pixels,
    GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr,
    CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of `total`; leave Σ d_h, Σ d_h·out and the sum that is the slope's gradient."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    d = tl.load(gradient + offsets, mask=inside, other=0.0) * _vector(out_results, 0, channels, real, CHANNELS)
    d += tl.load(total + offsets, mask=inside, other=0.0) * _vector(out_results, 1, channels, real, CHANNELS)
    d = tl.where(inside, d + _vector(out_results, 2, channels, real, CHANNELS), 0.0)
    tl.store(d_total + offsets, d, mask=inside)
    out = _convolved(sums, threshold, half, channels, real, offsets, inside, GATED, BINARY, CLIP)
    h = out * _vector(vectors, 0, channels, real, CHANNELS) + _vector(vectors, 1, channels, real, CHANNELS)
    d_h = tl.where(h > 0, d, d * _vector(slope, 0, channels, real, CHANNELS))
    _leave_sum(partial, 0, 3, d_h, channels, real, CHANNELS)
    _leave_sum(partial, 1, 3, d_h * out, channels, real, CHANNELS)
    _leave_sum(partial, 2, 3, d * tl.minimum(h, 0.0), channels, real, CHANNELS)


@triton.jit
def convolved_backward(
    sums, threshold, half, vectors, slope, d_total, results, parts, both, partial, pixels,
    GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr,
    CHANNELS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of both passes' sums into `parts` and their sum into `both`; leave that of the threshold."""
    channels, real, offsets, inside = _tile(pixels, CHANNELS, WIDTH, ROWS)
    d = tl.load(d_total + offsets, mask=inside, other=0.0)
    leading = tl.load(sums + offsets, mask=inside, other=0.0).to(tl.float32)
    whole = _convolved(sums, threshold, half, channels, real, offsets, inside, GATED, BINARY, 0)
    out = whole
    if CLIP:
        out = tl.minimum(tl.maximum(whole, -CLIP / 3.0), (CLIP - 1) / 3.0)
    h = out * _vector(vectors, 0, channels, real, CHANNELS) + _vector(vectors, 1, channels, real, CHANNELS)
    d = tl.where(h > 0, d, d * _vector(slope, 0, channels, real, CHANNELS))
    g = d * _vector(results, 0, channels, real, CHANNELS) + out * _vector(results, 1, channels, real, CHANNELS)
    g = tl.where(inside, g + _vector(results, 2, channels, real, CHANNELS), 0.0)
    if CLIP:
        g = tl.where((whole >= -CLIP / 3.0) & (whole <= (CLIP - 1) / 3.0), g, 0.0)
    if GATED:
        trailing = tl.load(sums + half + offsets, mask=inside, other=0.0).to(tl.float32)
        z = 5.0 * (leading * (2.0 / 3.0) - _vector(threshold, 0, channels, real, CHANNELS))
        e = tl.exp(-tl.maximum(z, 0.0))
        s = 1.0 / (1.0 + e)
        t = tl.where(z >= 0.0, g * trailing * (5.0 / 3.0) * s * s * e, 0.0)
        first = (g + t) * (2.0 / 3.0)
        second = tl.where(leading > _limit(threshold, channels, real, BINARY), g * (1.0 / 3.0), 0.0)
        tl.store(parts + offsets, first.to(parts.dtype.element_ty), mask=inside)
        tl.store(parts + half + offsets, second.to(parts.dtype.element_ty), mask=inside)
        tl.store(both + offsets, (first + second).to(both.dtype.element_ty), mask=inside)
        _leave_sum(partial, 0, 1, -t, channels, real, CHANNELS)
    else:
        tl.store(both + offsets, g.to(both.dtype.element_ty), mask=inside)
