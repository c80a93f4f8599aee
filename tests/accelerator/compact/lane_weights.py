"""Weights of a block as the compact lanes take them, made by NumPy."""

from __future__ import annotations

import numpy as np

from fracdse.accelerator.lane_counter import word
from fracdse.accelerator.parity_chain import weight_levels
from fracdse.compact_plan import KERNEL, CompactPlan


def masked(inverted: np.ndarray, outside_rows: tuple[int, ...]) -> np.ndarray:
    """Return weights (…, taps) with those of the outside rows 0."""
    rows = inverted.reshape(*inverted.shape[:-1], KERNEL, -1).copy()
    rows[..., [bool(outside) for outside in outside_rows], :] = False
    return rows.reshape(inverted.shape)


def parities(inverted: np.ndarray) -> int:
    """Return one lane's weights and the parities of all levels as a number."""
    return word(np.concatenate(weight_levels(inverted)))


def edge_counts(plan: CompactPlan, inverted: np.ndarray) -> list[int]:
    """Return the ones of the left and the right column of one lane's weights, inverted."""
    columns = inverted.reshape(KERNEL, KERNEL, plan.group)
    full = (1 << (KERNEL * plan.group).bit_length()) - 1
    return [full - int(columns[:, column].sum()) for column in (0, KERNEL - 1)]
