"""Triton kernels for the convolutions of a layer in training; `convolutions` calls them.

The channels of these networks are few, so library convolutions spend their time on padding and on passes of their own
to prepare operands. Here weights' signs are taken as they are loaded, and the statistics of `out`, the clamp's gradient
and the shortcut's are part of the store. A program computes ROWS pixels of up to OUT_BLOCK channels; per tap it
multiplies (ROWS, IN_BLOCK) by (IN_BLOCK, OUT_BLOCK) in bfloat16, with float32 sums, in which products of ±1 are exact.

`levels` are what is convolved: the leading bits, with the trailing ones in `second_levels`, or a real map. Maps are
channels last, images too. Element (c, i, tap) of a weight lies at c·W_OUT + i·W_IN + tap·W_TAP.
"""

import triton
import triton.language as tl

from fracdse.network.fused.kernels import _convolved_sums, _leave_sum

_WEIGHT_CLIP = tl.constexpr(1.3)
_SPLIT_ROWS = tl.constexpr(16)


@triton.jit
def _weights(weight, outs, ins, tap, real, W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
             SIGNED: tl.constexpr, LOW: tl.constexpr):  # fmt: skip
    """Return weights of one tap for channel indices that broadcast to a matrix; 0 where not `real`."""
    value = tl.load(weight + outs * W_OUT + ins * W_IN + tap * W_TAP, mask=real, other=0.0)
    if SIGNED:
        value = tl.where(real, tl.where(value >= 0, 1.0, -1.0), 0.0)
    return value.to(LOW)


@triton.jit
def _source(rows, pixels, tap, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, HEIGHT: tl.constexpr,
            WIDTH: tl.constexpr, STRIDE: tl.constexpr, KERNEL: tl.constexpr):  # fmt: skip
    """Return the input pixel that a tap of every output pixel reads, and whether it is in the image."""
    image, rest = rows // (OUT_HEIGHT * OUT_WIDTH), rows % (OUT_HEIGHT * OUT_WIDTH)
    y = (rest // OUT_WIDTH) * STRIDE + tap // KERNEL - KERNEL // 2
    x = (rest % OUT_WIDTH) * STRIDE + tap % KERNEL - KERNEL // 2
    there = (rows < pixels) & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
    return (image * HEIGHT + y) * WIDTH + x, there


@triton.jit
def _target(rows, pixels, tap, OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, HEIGHT: tl.constexpr,
            WIDTH: tl.constexpr, STRIDE: tl.constexpr, KERNEL: tl.constexpr):  # fmt: skip
    """Return the output pixel that reads each input pixel by a tap, and whether there is one; inverse to `_source`."""
    image, rest = rows // (HEIGHT * WIDTH), rows % (HEIGHT * WIDTH)
    y = rest // WIDTH + KERNEL // 2 - tap // KERNEL
    x = rest % WIDTH + KERNEL // 2 - tap % KERNEL
    there = (rows < pixels) & (y >= 0) & (y < OUT_HEIGHT * STRIDE) & (x >= 0) & (x < OUT_WIDTH * STRIDE)
    if STRIDE > 1:
        there = there & (y % STRIDE == 0) & (x % STRIDE == 0)
    return (image * OUT_HEIGHT + y // STRIDE) * OUT_WIDTH + x // STRIDE, there


@triton.jit
def two_bits(x, bits, count, BLOCK: tl.constexpr):
    """Write the leading bits of x, then its trailing bits, as ±1."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = index < count
    level = tl.load(x + index, mask=inside, other=0.0) * 1.5 + 1.5
    one, two, three = level > 0.5, level >= 1.5, level > 2.5
    tl.store(bits + index, tl.where(two, 1.0, -1.0).to(bits.dtype.element_ty), mask=inside)
    tl.store(bits + count + index, tl.where(one ^ two ^ three, 1.0, -1.0).to(bits.dtype.element_ty), mask=inside)


@triton.jit
def convolve(
    levels, second_levels, weight, threshold, sums, partial, pixels, half,
    GATED: tl.constexpr, BINARY: tl.constexpr, CLIP: tl.constexpr, SIGNED: tl.constexpr, STATISTICS: tl.constexpr,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Write the sums of both passes (or of the plain convolution); leave those of `out` and its square."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    outs = tl.program_id(1) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    leading = tl.zeros((ROWS, OUT_BLOCK), dtype=tl.float32)
    trailing = tl.zeros((ROWS, OUT_BLOCK), dtype=tl.float32)
    chunks: tl.constexpr = (INS + IN_BLOCK - 1) // IN_BLOCK
    for step in range(KERNEL * KERNEL * chunks):
        tap = step // chunks
        ins = (step % chunks) * IN_BLOCK + tl.arange(0, IN_BLOCK)
        pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, KERNEL)
        inside = there[:, None] & (ins < INS)[None, :]
        offsets = pixel[:, None] * INS + ins[None, :]
        real = (ins < INS)[:, None] & (outs < OUTS)[None, :]
        w = _weights(weight, outs[None, :], ins[:, None], tap, real, W_OUT, W_IN, W_TAP, SIGNED, LOW)
        leading = tl.dot(tl.load(levels + offsets, mask=inside, other=0.0).to(LOW), w, leading)
        if GATED:
            trailing = tl.dot(tl.load(second_levels + offsets, mask=inside, other=0.0).to(LOW), w, trailing)
    real = outs < OUTS
    inside = (rows < pixels)[:, None] & real[None, :]
    offsets = rows[:, None] * OUTS + outs[None, :]
    # What is stored is what counts: real sums are rounded on the way, integers are not.
    leading, trailing = leading.to(sums.dtype.element_ty), trailing.to(sums.dtype.element_ty)
    tl.store(sums + offsets, leading, mask=inside)
    if GATED:
        tl.store(sums + half + offsets, trailing, mask=inside)
    if STATISTICS:
        out = _convolved_sums(leading, trailing, threshold, outs, real, GATED, BINARY, CLIP)
        out = tl.where(inside, out, 0.0)
        _leave_sum(partial, 0, 2, out, outs, real, OUTS)
        _leave_sum(partial, 1, 2, out * out, outs, real, OUTS)


@triton.jit
def input_gradient(
    d_sums, weight, x, d_total, d_x, pixels,
    CLIPPED: tl.constexpr, IDENTITY: tl.constexpr, SIGNED: tl.constexpr,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Write the gradient of x: inside (−1, 1) if CLIPPED, plus d_total if the shortcut is the IDENTITY."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    ins = tl.program_id(1) * IN_BLOCK + tl.arange(0, IN_BLOCK)
    d = tl.zeros((ROWS, IN_BLOCK), dtype=tl.float32)
    chunks: tl.constexpr = (OUTS + OUT_BLOCK - 1) // OUT_BLOCK
    for step in range(KERNEL * KERNEL * chunks):
        tap = step // chunks
        outs = (step % chunks) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
        pixel, there = _target(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, KERNEL)
        inside = there[:, None] & (outs < OUTS)[None, :]
        g = tl.load(d_sums + pixel[:, None] * OUTS + outs[None, :], mask=inside, other=0.0).to(LOW)
        real = (outs < OUTS)[:, None] & (ins < INS)[None, :]
        w = _weights(weight, outs[:, None], ins[None, :], tap, real, W_OUT, W_IN, W_TAP, SIGNED, LOW)
        d = tl.dot(g, w, d)
    inside = (rows < pixels)[:, None] & (ins < INS)[None, :]
    offsets = rows[:, None] * INS + ins[None, :]
    if CLIPPED:
        d = tl.where(tl.abs(tl.load(x + offsets, mask=inside, other=0.0)) < 1.0, d, 0.0)
    if IDENTITY:
        d += tl.load(d_total + offsets, mask=inside, other=0.0)
    tl.store(d_x + offsets, d, mask=inside)


@triton.jit
def _accumulate(
    acc, levels, second_levels, rows, pixels, tap, ins, first, second,
    GATED: tl.constexpr, KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, INS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Add the products of one tap's activations with the gradients of the sums."""
    pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, KERNEL)
    inside = there[:, None] & (ins < INS)[None, :]
    offsets = pixel[:, None] * INS + ins[None, :]
    acc = tl.dot(tl.trans(tl.load(levels + offsets, mask=inside, other=0.0).to(LOW)), first, acc)
    if GATED:
        acc = tl.dot(tl.trans(tl.load(second_levels + offsets, mask=inside, other=0.0).to(LOW)), second, acc)
    return acc


@triton.jit
def _leave_tap(partial, acc, split, tap, ins, outs, TAPS: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr):
    offsets = ((split * TAPS + tap) * INS + ins[:, None]) * OUTS + outs[None, :]
    tl.store(partial + offsets, acc, mask=(ins < INS)[:, None] & (outs < OUTS)[None, :])


@triton.jit
def weight_gradient(
    levels, second_levels, parts, partial, pixels, half, splits,
    GATED: tl.constexpr,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr,
    IN_BLOCK: tl.constexpr, OUT_BLOCK: tl.constexpr, ROWS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Leave Σ m·A + Σ l·B over every `splits`-th tile of pixels, for one row of taps and one block of channels."""
    split, row = tl.program_id(0), tl.program_id(1)
    blocks: tl.constexpr = (OUTS + OUT_BLOCK - 1) // OUT_BLOCK
    ins = (tl.program_id(2) // blocks) * IN_BLOCK + tl.arange(0, IN_BLOCK)
    outs = (tl.program_id(2) % blocks) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    left = tl.zeros((IN_BLOCK, OUT_BLOCK), dtype=tl.float32)
    middle = tl.zeros((IN_BLOCK, OUT_BLOCK), dtype=tl.float32)
    right = tl.zeros((IN_BLOCK, OUT_BLOCK), dtype=tl.float32)
    for start in range(split * ROWS, pixels, splits * ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
        offsets = rows[:, None] * OUTS + outs[None, :]
        first = tl.load(parts + offsets, mask=inside, other=0.0).to(LOW)
        second = first
        if GATED:
            second = tl.load(parts + half + offsets, mask=inside, other=0.0).to(LOW)
        left = _accumulate(left, levels, second_levels, rows, pixels, row * KERNEL, ins, first, second,
                           GATED, KERNEL, STRIDE, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH, INS, LOW)  # fmt: skip
        if KERNEL == 3:
            middle = _accumulate(middle, levels, second_levels, rows, pixels, row * KERNEL + 1, ins, first, second,
                                 GATED, KERNEL, STRIDE, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH, INS, LOW)  # fmt: skip
            right = _accumulate(right, levels, second_levels, rows, pixels, row * KERNEL + 2, ins, first, second,
                                GATED, KERNEL, STRIDE, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH, INS, LOW)  # fmt: skip
    _leave_tap(partial, left, split, row * KERNEL, ins, outs, KERNEL * KERNEL, INS, OUTS)
    if KERNEL == 3:
        _leave_tap(partial, middle, split, row * KERNEL + 1, ins, outs, KERNEL * KERNEL, INS, OUTS)
        _leave_tap(partial, right, split, row * KERNEL + 2, ins, outs, KERNEL * KERNEL, INS, OUTS)


@triton.jit
def finish_weight_gradient(
    partial, splits, weight, d_weight,
    TAPS: tl.constexpr, INS: tl.constexpr, OUTS: tl.constexpr, SIGNED: tl.constexpr, BLOCK: tl.constexpr,
    W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Add up the gradients of all splits; with SIGNED, pass them where |weight| ≤ 1.3."""
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    count: tl.constexpr = TAPS * INS * OUTS
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, splits, _SPLIT_ROWS):
        split = start + tl.arange(0, _SPLIT_ROWS)
        inside = (split < splits)[:, None] & (element < count)[None, :]
        total += tl.sum(tl.load(partial + split[:, None] * count + element[None, :], mask=inside, other=0.0), axis=0)
    place = (element % OUTS) * W_OUT + (element // OUTS % INS) * W_IN + (element // (OUTS * INS)) * W_TAP
    if SIGNED:
        total = tl.where(tl.abs(tl.load(weight + place, mask=element < count, other=0.0)) <= _WEIGHT_CLIP, total, 0.0)
    tl.store(d_weight + place, total, mask=element < count)


@triton.jit
def _levels(
    images, counts, pixel, there, colour,
    COLOURS: tl.constexpr, LEVELS: tl.constexpr, LEVEL_BLOCK: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Return the thermometer levels of one colour of pixels as ±1, (ROWS, LEVEL_BLOCK); 0 outside."""
    value = tl.load(images + pixel * COLOURS + colour, mask=there, other=0).to(tl.int32)
    count = tl.load(counts + value)
    level = tl.arange(0, LEVEL_BLOCK)
    inside = there[:, None] & (level < LEVELS)[None, :]
    return tl.where(inside, tl.where(level[None, :] < count[:, None], 1.0, -1.0), 0.0).to(LOW)


@triton.jit
def stem(
    images, counts, weight, out, pixels,
    SIGNED: tl.constexpr, COLOURS: tl.constexpr, LEVELS: tl.constexpr, LEVEL_BLOCK: tl.constexpr,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, OUTS: tl.constexpr, OUT_BLOCK: tl.constexpr,
    ROWS: tl.constexpr, LOW: tl.constexpr, W_OUT: tl.constexpr, W_IN: tl.constexpr, W_TAP: tl.constexpr,
):  # fmt: skip
    """Write the convolution of the thermometer levels of 8-bit images."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    outs = tl.program_id(1) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    level = tl.arange(0, LEVEL_BLOCK)
    total = tl.zeros((ROWS, OUT_BLOCK), dtype=tl.float32)
    for step in range(KERNEL * KERNEL * COLOURS):
        tap, colour = step // COLOURS, step % COLOURS
        pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, KERNEL)
        levels = _levels(images, counts, pixel, there, colour, COLOURS, LEVELS, LEVEL_BLOCK, LOW)
        real = (level < LEVELS)[:, None] & (outs < OUTS)[None, :]
        ins = colour * LEVELS + level
        w = _weights(weight, outs[None, :], ins[:, None], tap, real, W_OUT, W_IN, W_TAP, SIGNED, LOW)
        total = tl.dot(levels, w, total)
    inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
    tl.store(out + rows[:, None] * OUTS + outs[None, :], total, mask=inside)


@triton.jit
def stem_weight_gradient(
    images, counts, gradient, partial, pixels, splits,
    COLOURS: tl.constexpr, LEVELS: tl.constexpr, LEVEL_BLOCK: tl.constexpr,
    KERNEL: tl.constexpr, STRIDE: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    OUT_HEIGHT: tl.constexpr, OUT_WIDTH: tl.constexpr, OUTS: tl.constexpr, OUT_BLOCK: tl.constexpr,
    ROWS: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Leave the weight's gradient over every `splits`-th tile of pixels, for one tap and one block of channels."""
    split, tap = tl.program_id(0), tl.program_id(1)
    outs = tl.program_id(2) * OUT_BLOCK + tl.arange(0, OUT_BLOCK)
    level = tl.arange(0, LEVEL_BLOCK)
    red = tl.zeros((LEVEL_BLOCK, OUT_BLOCK), dtype=tl.float32)
    green = tl.zeros((LEVEL_BLOCK, OUT_BLOCK), dtype=tl.float32)
    blue = tl.zeros((LEVEL_BLOCK, OUT_BLOCK), dtype=tl.float32)
    for start in range(split * ROWS, pixels, splits * ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = (rows < pixels)[:, None] & (outs < OUTS)[None, :]
        g = tl.load(gradient + rows[:, None] * OUTS + outs[None, :], mask=inside, other=0.0).to(LOW)
        pixel, there = _source(rows, pixels, tap, OUT_HEIGHT, OUT_WIDTH, HEIGHT, WIDTH, STRIDE, KERNEL)
        red = tl.dot(tl.trans(_levels(images, counts, pixel, there, 0, COLOURS, LEVELS, LEVEL_BLOCK, LOW)), g, red)
        if COLOURS == 3:
            green = tl.dot(
                tl.trans(_levels(images, counts, pixel, there, 1, COLOURS, LEVELS, LEVEL_BLOCK, LOW)), g, green
            )
            blue = tl.dot(
                tl.trans(_levels(images, counts, pixel, there, 2, COLOURS, LEVELS, LEVEL_BLOCK, LOW)), g, blue
            )
    offsets = ((split * KERNEL * KERNEL + tap) * COLOURS * LEVELS + level[:, None]) * OUTS + outs[None, :]
    real = (level < LEVELS)[:, None] & (outs < OUTS)[None, :]
    tl.store(partial + offsets, red, mask=real)
    if COLOURS == 3:
        tl.store(partial + offsets + LEVELS * OUTS, green, mask=real)
        tl.store(partial + offsets + 2 * LEVELS * OUTS, blue, mask=real)
