"""The integer contract of `fracdse.program.model`, word for word, in Python integers and loops.

Maps are (channel, row, column) arrays of Python integers for one image; nothing here is shared with the package.
"""

from __future__ import annotations

import numpy as np

from fracdse.program.model import GatedConvProgram, Program, SIProgram, StemProgram


def sat(x, bits):
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, int(x)))


def sat_word(x, bits):
    """Saturate the leading byte, keep the bits below."""
    passed = max(0, bits - 8)
    return sat(x >> passed, bits - passed) * 2**passed + x % 2**passed


def half(shift):
    return 2 ** (shift - 1) if shift else 0


def convolve(image, weight, stride):
    """Sum over taps inside the image: image (I, H, W), weight (C, I, k, k)."""
    channels, inputs, kernel, _ = weight.shape
    _, rows, columns = image.shape
    pad = kernel // 2
    out_rows, out_columns = (rows + 2 * pad - kernel) // stride + 1, (columns + 2 * pad - kernel) // stride + 1
    out = np.zeros((channels, out_rows, out_columns), object)
    for c, p, q in np.ndindex(out.shape):
        total = 0
        for i, a, b in np.ndindex(inputs, kernel, kernel):
            row, column = p * stride + a - pad, q * stride + b - pad
            if 0 <= row < rows and 0 <= column < columns:
                total += int(weight[c, i, a, b]) * int(image[i, row, column])
        out[c, p, q] = total
    return out


def run_stem(stem: StemProgram, feature_bits, image, levels, resolution, stride):
    """image: (H, W, colours)."""
    rows, columns, colours = image.shape
    encoded = np.zeros((colours * levels, rows, columns), object)
    for row, column, colour in np.ndindex(image.shape):
        count = min(levels, round(int(image[row, column, colour]) / resolution))
        for level in range(levels):
            encoded[colour * levels + level, row, column] = 1 if level < count else -1
    y = convolve(encoded, stem.weight, stride)
    u = np.zeros_like(y)
    for c, p, q in np.ndindex(y.shape):
        u[c, p, q] = sat_word((int(stem.multiplier[c]) * y[c, p, q] + int(stem.offset[c])) >> stem.shift, feature_bits)
    return u


def run_conv(conv: GatedConvProgram, feature_bits, u):
    """Return codes, M, L, gate, y and u' of one layer."""
    codes = np.zeros(u.shape, object)
    for c, p, q in np.ndindex(u.shape):
        k = sum(int(u[c, p, q]) >= int(t) for t in conv.activation_thresholds[c])
        codes[c, p, q] = 3 - k if conv.descending[c] else k
    leading = convolve(2 * (codes >> 1) - 1, conv.weight, conv.stride)
    trailing = convolve(2 * (codes & 1) - 1, conv.weight, conv.stride)
    out_channels = len(conv.weight)
    x = shortcut(conv, u, out_channels)
    gate, ys, out = (np.zeros(leading.shape, object) for _ in range(3))
    si = run_si(conv.si, u, conv.stride) if conv.si else np.zeros(leading.shape, object)
    for c, p, q in np.ndindex(leading.shape):
        m = leading[c, p, q]
        gate[c, p, q] = m >= int(conv.gate_threshold[c])
        y = 2 * m + (trailing[c, p, q] if gate[c, p, q] else 0)
        if conv.clip_bits > 0:
            y = sat(y, conv.clip_bits)
        if conv.link_multiplier is not None:
            y = sat(y + ((int(conv.link_multiplier[c]) * x[c, p, q] + int(conv.link_offset[c])) >> conv.link_shift), 18)
        s = 1 if y >= int(conv.split[c]) else 0
        r = x[c, p, q]
        if conv.residual_multiplier is not None:
            r = (int(conv.residual_multiplier[c]) * r) >> conv.residual_shift
        v = (int(conv.multiplier[s, c]) * y + int(conv.offset[s, c])) >> conv.shift
        ys[c, p, q] = y
        out[c, p, q] = sat_word(r + v + si[c, p, q], feature_bits)
    return codes, leading, trailing, gate, ys, out


def shortcut(conv: GatedConvProgram, u, out_channels):
    channels, rows, columns = u.shape
    stride = conv.stride
    x = np.zeros((channels, rows // stride, columns // stride), object)
    for c, p, q in np.ndindex(x.shape):
        block = u[c, p * stride : (p + 1) * stride, q * stride : (q + 1) * stride]
        value = int(block[0, 0]) if stride == 1 else (int(block.sum()) + stride**2 // 2) >> {2: 2, 4: 4}[stride]
        if conv.shortcut_thresholds is not None:
            top = conv.shortcut_thresholds.shape[1]
            code = sum(value >= int(t) for t in conv.shortcut_thresholds[c])
            value = top - code if conv.shortcut_descending[c] else code
        x[c, p, q] = value
    return np.concatenate([x] * (out_channels // channels))


def run_si(si: SIProgram, u, stride):
    width = len(si.squeeze)
    z = np.zeros(u.shape, object)
    for c, p, q in np.ndindex(u.shape):
        scaled = int(si.input_multiplier[c]) * int(u[c, p, q]) + int(si.input_offset[c])
        z[c, p, q] = sat(scaled >> si.input_shift, si.bits)
    a = convolve(z, si.squeeze[:, :, None, None], 1)
    for s, p, q in np.ndindex(a.shape):
        a[s, p, q] = sat((a[s, p, q] + int(si.squeeze_offset[s])) >> si.squeeze_shift, si.bits)
    if si.interaction.shape[1] == width:
        b = convolve(a, si.interaction, stride)
    else:
        b = np.concatenate([convolve(a[s : s + 1], si.interaction[s : s + 1], stride) for s in range(width)])
    for s, p, q in np.ndindex(b.shape):
        b[s, p, q] = sat((b[s, p, q] + half(si.interaction_shift)) >> si.interaction_shift, si.bits)
    out = convolve(b, si.expand[:, :, None, None], 1)
    for c, p, q in np.ndindex(out.shape):
        out[c, p, q] = (out[c, p, q] + int(si.expand_offset[c])) >> si.expand_shift
    return out


def run_classifier(program: Program, u):
    classifier = program.classifier
    pooled = [(int(u[c].sum()) + half(classifier.pool_shift)) >> classifier.pool_shift for c in range(len(u))]
    return [
        sum(int(w) * p for w, p in zip(row, pooled, strict=True)) + int(bias)
        for row, bias in zip(classifier.weight, classifier.bias, strict=True)
    ]
