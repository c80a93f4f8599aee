"""What a unit is made of: counts of structure, turned into LUTs and flip-flops by fitted coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class UnitTerms:
    """One unit of the accelerator.

    `lut` and `ff` are the counts that its formula multiplies with coefficients, by the names of the terms; `bram18` and
    `dsp` are counted exactly. `unit` names the formula, such as 'gated_conv'.
    """

    unit: str
    lut: Mapping[str, float]
    ff: Mapping[str, float]
    bram18: int = 0
    dsp: int = 0
