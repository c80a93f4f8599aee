"""Triton kernels for an SI branch in training; `branch` puts them together, and says what is computed.

Maps are channels last, so a map is a matrix with a row a pixel. A signal is stored before it is rounded: whoever reads
it rounds it on the way, and a gradient passes where that clamped nothing. Rounded values are whole multiples, of eight
bits at most, of a power of two, so bfloat16 holds them and the float32 sums are exact.

Gradients of parameters are left as one row a program in `partial`, a parameter after the other in its memory's order.
"""

import triton
import triton.language as tl

from fracdse.network.fused.conv_kernels import _source, _target, _weights
from fracdse.network.fused.kernels import _FINISH_ROWS, _exp2


@triton.jit
def _covering_step(largest, HIGHEST: tl.constexpr):
    """Return the smallest power of two whose HIGHEST-fold covers a magnitude."""
    return _exp2(tl.ceil(tl.log2(tl.maximum(largest, 9.5367431640625e-07) / HIGHEST)))


@triton.jit
def _nearest_whole(x):
    """Round to the nearest whole number, halves upwards, as the integer program does."""
    return tl.floor(x + 0.5)


@triton.jit
def _signal(x, offsets, inside, step, LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr):
    """Return a stored signal as it is used: rounded, if QUANTISED; 0 where not `inside`."""
    value = tl.load(x + offsets, mask=inside, other=0.0)
    if QUANTISED:
        size = tl.load(step)
        value = _nearest_whole(tl.minimum(tl.maximum(value / size, LOWEST), HIGHEST)) * size
    return value


@triton.jit
def _passed(
    gradient, x, offsets, inside, step, LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr
):  # fmt: skip
    """Return the gradient of a stored signal where rounding it clamped nothing, and 0 elsewhere."""
    if QUANTISED:
        value = tl.load(x + offsets, mask=inside, other=0.0)
        level = _nearest_whole(tl.minimum(tl.maximum(value / tl.load(step), LOWEST - 1), HIGHEST + 1))
        gradient = tl.where((level >= LOWEST) & (level <= HIGHEST), gradient, 0.0)
    return gradient


@triton.jit
def _leave_largest(partial, values, inside):
    magnitude = tl.max(tl.where(inside, tl.abs(values), 0.0), axis=1)
    tl.store(partial + tl.program_id(0), tl.max(magnitude, axis=0))


@triton.jit
def _add_tap(
    total, values, weight, lanes, real, tap, DEPTHWISE: tl.constexpr, LOW: tl.constexpr,
    W_OWN: tl.constexpr, W_TO: tl.constexpr, W_FROM: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Return `total` with the products of one tap: of a lane with its own weight, or from every lane to every one."""
    if DEPTHWISE:
        total += values * tl.load(weight + lanes * W_OWN + tap * W_TAP, mask=real, other=0.0)[None, :]
    else:
        both = real[:, None] & real[None, :]
        w = _weights(weight, lanes[None, :], lanes[:, None], tap, both, W_TO, W_FROM, W_TAP, False, LOW)
        total = tl.dot(values.to(LOW), w, total)
    return total


@triton.jit
def largest_magnitude(x, partial, count, BLOCK: tl.constexpr):
    """Leave the largest |x| of every program."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(partial + tl.program_id(0), tl.max(tl.abs(tl.load(x + index, mask=index < count, other=0.0)), axis=0))


@triton.jit
def follow_range(partial, programs, followed, step, speed, HIGHEST: tl.constexpr):
    """Move `followed` towards the largest magnitude by a share `speed`, or set it if it is 0; write its step."""
    rows = tl.arange(0, _FINISH_ROWS)
    largest = tl.zeros((_FINISH_ROWS,), dtype=tl.float32)
    for start in range(0, programs, _FINISH_ROWS):
        largest = tl.maximum(largest, tl.load(partial + start + rows, mask=start + rows < programs, other=0.0))
    now, before = tl.max(largest, axis=0), tl.load(followed)
    now = tl.where(before > 0, before + speed * (now - before), now)
    tl.store(followed, now)
    tl.store(step, _covering_step(now, HIGHEST))


@triton.jit
def _round_weight(weight, rounded, step, COUNT: tl.constexpr, HIGHEST: tl.constexpr, BLOCK: tl.constexpr):
    largest = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, COUNT, BLOCK):
        index = start + tl.arange(0, BLOCK)
        largest = tl.maximum(largest, tl.abs(tl.load(weight + index, mask=index < COUNT, other=0.0)))
    size = _covering_step(tl.max(largest, axis=0), HIGHEST)
    tl.store(step, size)
    for start in range(0, COUNT, BLOCK):
        index = start + tl.arange(0, BLOCK)
        value = tl.load(weight + index, mask=index < COUNT, other=0.0)
        tl.store(rounded + index, _nearest_whole(value / size) * size, mask=index < COUNT)


@triton.jit
def round_weights(
    squeeze, interaction, expand, rounded_squeeze, rounded_interaction, rounded_expand, steps,
    SQUEEZE: tl.constexpr, INTERACTION: tl.constexpr, EXPAND: tl.constexpr, HIGHEST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the three weights on the grids that just cover them, and the steps of those."""
    if tl.program_id(0) == 0:
        _round_weight(squeeze, rounded_squeeze, steps, SQUEEZE, HIGHEST, BLOCK)
    elif tl.program_id(0) == 1:
        _round_weight(interaction, rounded_interaction, steps + 1, INTERACTION, HIGHEST, BLOCK)
    else:
        _round_weight(expand, rounded_expand, steps + 2, EXPAND, HIGHEST, BLOCK)


@triton.jit
def mix(
    x, step, weight, weight_step, bias, following, onto, y, partial, pixels,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, ROUNDED_BIAS: tl.constexpr,
    ONTO: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Write weight·x + bias, (OUTS, INS) times every pixel, and `onto` added if ONTO; leave the largest magnitude.

    With ROUNDED_BIAS the bias is rounded to the step of the sums, or of `following`, the range of y, if that is finer.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    outs = tl.program_id(1) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    total = tl.zeros((ROWS, OUT_BLOCK), dtype=tl.float32)
    for start in range(0, INS, IN_BLOCK):
        ins = start + tl.arange(0, IN_BLOCK)
        inside = (rows < pixels)[:, None] & (ins < INS)[None, :]
        value = _signal(x, rows[:, None] * INS + ins[None, :], inside, step, LOWEST, HIGHEST, QUANTISED)
        real = (ins < INS)[:, None] & (outs < OUTS)[None, :]
        w = _weights(weight, outs[None, :], ins[:, None], 0, real, INS, 1, 0, False, LOW)
        total = tl.dot(value.to(LOW), w, total)
    constant = tl.load(bias + outs, mask=outs < OUTS, other=0.0)
    if ROUNDED_BIAS:
        grid = tl.minimum(tl.load(step) * tl.load(weight_step), _covering_step(tl.load(following), HIGHEST))
        constant = _nearest_whole(constant / grid) * grid
    total += constant[None, :]
    inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
    offsets = rows[:, None] * OUTS + outs[None, :]
    if ONTO:
        total += tl.load(onto + offsets, mask=inside, other=0.0)
    else:
        _leave_largest(partial, total, inside)
    tl.store(y + offsets, total, mask=inside)


@triton.jit
def mix_backward(
    gradient, weight, x, step, onto, d_x, pixels,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, ONTO: tl.constexpr,
    INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Write the gradient of x, plus `onto` if ONTO."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    ins = tl.program_id(1) * IN_BLOCK + tl.arange(0, IN_BLOCK)
    d = tl.zeros((ROWS, IN_BLOCK), dtype=tl.float32)
    for start in range(0, OUTS, OUT_BLOCK):
        outs = start + tl.arange(0, OUT_BLOCK)
        inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
        g = tl.load(gradient + rows[:, None] * OUTS + outs[None, :], mask=inside, other=0.0)
        real = (outs < OUTS)[:, None] & (ins < INS)[None, :]
        w = _weights(weight, outs[:, None], ins[None, :], 0, real, INS, 1, 0, False, LOW)
        d = tl.dot(g.to(LOW), w, d)
    inside = (rows < pixels)[:, None] & (ins < INS)[None, :]
    offsets = rows[:, None] * INS + ins[None, :]
    d = _passed(d, x, offsets, inside, step, LOWEST, HIGHEST, QUANTISED)
    if ONTO:
        d += tl.load(onto + offsets, mask=inside, other=0.0)
    tl.store(d_x + offsets, d, mask=inside)


@triton.jit
def mix_weight_gradient(
    gradient, x, step, partial, first, bias_first, parameters, pixels, splits,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Leave the gradients of weight and bias over every `splits`-th tile of pixels, for a block of each channels."""
    blocks: tl.constexpr = (INS + IN_BLOCK - 1) // IN_BLOCK
    ins = (tl.program_id(1) % blocks) * IN_BLOCK + tl.arange(0, IN_BLOCK)
    outs = (tl.program_id(1) // blocks) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    d_weight = tl.zeros((OUT_BLOCK, IN_BLOCK), dtype=tl.float32)
    d_bias = tl.zeros((OUT_BLOCK,), dtype=tl.float32)
    for start in range(tl.program_id(0) * ROWS, pixels, splits * ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
        g = tl.load(gradient + rows[:, None] * OUTS + outs[None, :], mask=inside, other=0.0)
        inside = (rows < pixels)[:, None] & (ins < INS)[None, :]
        value = _signal(x, rows[:, None] * INS + ins[None, :], inside, step, LOWEST, HIGHEST, QUANTISED)
        d_weight = tl.dot(tl.trans(g.to(LOW)), value.to(LOW), d_weight)
        d_bias += tl.sum(g, axis=0)
    row = partial + tl.program_id(0) * parameters
    real = (outs < OUTS)[:, None] & (ins < INS)[None, :]
    tl.store(row + first + outs[:, None] * INS + ins[None, :], d_weight, mask=real)
    if tl.program_id(1) % blocks == 0:
        tl.store(row + bias_first + outs, d_bias, mask=outs < OUTS)


@triton.jit
def interact(
    a, step, weight, b, partial, pixels,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, DEPTHWISE: tl.constexpr,
    STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Write the 3×3 convolution of a; leave the largest magnitude."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    lanes = tl.arange(0, BLOCK)
    real = lanes < LANES
    total = tl.zeros((ROWS, BLOCK), dtype=tl.float32)
    for tap in range(9):
        pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, 3)
        inside = there[:, None] & real[None, :]
        value = _signal(a, pixel[:, None] * LANES + lanes[None, :], inside, step, LOWEST, HIGHEST, QUANTISED)
        total = _add_tap(total, value, weight, lanes, real, tap, DEPTHWISE, LOW, W_OUT, W_OUT, W_IN, W_TAP)
    inside = (rows < pixels)[:, None] & real[None, :]
    _leave_largest(partial, total, inside)
    tl.store(b + rows[:, None] * LANES + lanes[None, :], total, mask=inside)


@triton.jit
def interact_backward(
    gradient, weight, a, step, d_a, pixels,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, DEPTHWISE: tl.constexpr,
    STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Write the gradient of a."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    lanes = tl.arange(0, BLOCK)
    real = lanes < LANES
    d = tl.zeros((ROWS, BLOCK), dtype=tl.float32)
    for tap in range(9):
        pixel, there = _target(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, 3)
        inside = there[:, None] & real[None, :]
        g = tl.load(gradient + pixel[:, None] * LANES + lanes[None, :], mask=inside, other=0.0)
        d = _add_tap(d, g, weight, lanes, real, tap, DEPTHWISE, LOW, W_OUT, W_IN, W_OUT, W_TAP)
    inside = (rows < pixels)[:, None] & real[None, :]
    offsets = rows[:, None] * LANES + lanes[None, :]
    d = _passed(d, a, offsets, inside, step, LOWEST, HIGHEST, QUANTISED)
    tl.store(d_a + offsets, d, mask=inside)


@triton.jit
def interaction_weight_gradient(
    gradient, a, step, partial, first, parameters, pixels, splits,
    LOWEST: tl.constexpr, HIGHEST: tl.constexpr, QUANTISED: tl.constexpr, DEPTHWISE: tl.constexpr,
    STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr,
    LANES: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Leave the gradient of one tap over every `splits`-th tile of pixels."""
    tap = tl.program_id(1)
    lanes = tl.arange(0, BLOCK)
    real = lanes < LANES
    d_own = tl.zeros((BLOCK,), dtype=tl.float32)
    d_all = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(tl.program_id(0) * ROWS, pixels, splits * ROWS):
        rows = start + tl.arange(0, ROWS)
        pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, 3)
        inside = there[:, None] & real[None, :]
        value = _signal(a, pixel[:, None] * LANES + lanes[None, :], inside, step, LOWEST, HIGHEST, QUANTISED)
        g = tl.load(gradient + rows[:, None] * LANES + lanes[None, :], mask=inside, other=0.0)
        if DEPTHWISE:
            d_own += tl.sum(g * value, axis=0)
        else:
            d_all = tl.dot(tl.trans(g.to(LOW)), value.to(LOW), d_all)
    row = partial + tl.program_id(0) * parameters + first + tap * W_TAP
    if DEPTHWISE:
        tl.store(row + lanes * W_OUT, d_own, mask=real)
    else:
        places = lanes[:, None] * W_OUT + lanes[None, :] * W_IN
        tl.store(row + places, d_all, mask=real[:, None] & real[None, :])
