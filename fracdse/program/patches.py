"""Convolution as a matrix product: rows of input patches against a matrix of weights.

Feature maps here are (images, rows, columns, channels), so that a patch's row is one run of memory; padding is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]


def padded(shape: tuple[int, ...], kernel: int, dtype: Any) -> tuple[AnyArray, AnyArray]:
    """Return a zeroed map of `shape` (N, H, W, C) with kernel // 2 pixels of padding, and the view of its inside."""
    images, rows, columns, channels = shape
    pad = kernel // 2
    whole = np.zeros((images, rows + 2 * pad, columns + 2 * pad, channels), dtype)
    return whole, whole[:, pad : pad + rows, pad : pad + columns]


def patch_rows(whole: AnyArray, kernel: int, stride: int) -> AnyArray:
    """Return the patches of a padded map as (images·rows·columns, kernel·kernel·channels), tap row and column first."""
    images, rows, columns, channels = whole.shape
    out_rows, out_columns = (rows - kernel) // stride + 1, (columns - kernel) // stride + 1
    step = whole.strides
    windows = np.lib.stride_tricks.as_strided(
        whole,
        (images, out_rows, out_columns, kernel, kernel * channels),
        (step[0], step[1] * stride, step[2] * stride, step[1], step[3]),
        writeable=False,
    )
    return windows.reshape(images * out_rows * out_columns, kernel * kernel * channels)


def weight_matrix(weight: AnyArray) -> AnyArray:
    """Return weights (C, I, k, k) as the (k·k·I, C) matrix that `patch_rows` is multiplied with."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0]))


def convolve(image: AnyArray, weight: AnyArray, stride: int) -> AnyArray:
    """Convolve (N, H, W, I) with (C, I, k, k), zero padding k // 2: (N, H', W', C), in the type of `image`."""
    kernel = weight.shape[2]
    whole, inside = padded(image.shape, kernel, image.dtype)
    inside[...] = image
    images, rows, columns, _ = whole.shape
    product: AnyArray = patch_rows(whole, kernel, stride) @ weight_matrix(weight).astype(image.dtype)
    return product.reshape(images, (rows - kernel) // stride + 1, (columns - kernel) // stride + 1, -1)


def blas_product(rows: AnyArray, weights: AnyArray) -> AnyArray:
    """Return rows @ weights for (M, K) and (K, C) in C order, both float32 or both float64, by SciPy's BLAS.

    NumPy 1 brings a BLAS that does not know processors of 2023 and later and multiplies five times slower on them.
    """
    from scipy.linalg import blas  # Late: whoever only counts a program's bits need not wait for SciPy.

    multiply = blas.sgemm if rows.dtype == np.float32 else blas.dgemm
    product: AnyArray = multiply(1.0, weights.T, rows.T).T
    return product
