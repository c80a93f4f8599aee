"""Split conformal intervals: how far residuals of points that a fit did not see reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

COVERAGE = 0.9


def conformal_half_width(errors: Sequence[float], coverage: float = COVERAGE) -> float:
    """Return the half width that covers a new point with probability at least `coverage`.

    It is the ⌈(n + 1)·coverage⌉-th smallest error of n exchangeable points (Lei et al. 2018, "Distribution-free
    predictive inference for regression"); with fewer than coverage / (1 − coverage) points, the largest.

    Args:
        errors: Absolute relative errors, at least one.
        coverage: Between 0 and 1.
    """
    ranked = sorted(errors)
    return ranked[min(len(ranked), math.ceil((len(ranked) + 1) * coverage)) - 1]
