"""The squeeze-and-interaction branch of an integer program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.program.fixed_point import rounding_half, saturate
from fracdse.program.float_reference import full_interaction
from fracdse.program.model import IntArray, SIProgram
from fracdse.program.patches import convolve
from fracdse.topology import GatedConvSpec


@dataclass(frozen=True)
class SIResult:
    """z (N, H, W, I), a (N, H, W, S), b (N, H', W', S) and what is added, (N, H', W', C)."""

    z: IntArray
    a: IntArray
    b: IntArray
    added: IntArray


class SIRunner:
    """Runs one branch; products are taken in float64, exact below 2^53."""

    def __init__(self, spec: GatedConvSpec, branch: SIProgram) -> None:
        self._stride, self._branch = spec.stride, branch
        self._interaction = full_interaction(branch.interaction)

    def run(self, words: NDArray[np.int32]) -> SIResult:
        """Run on input words (N, H, W, I)."""
        branch = self._branch
        scaled = words.astype(np.int64) * branch.input_multiplier + branch.input_offset
        z = saturate(scaled >> branch.input_shift, branch.bits)
        a = _product(z, branch.squeeze) + branch.squeeze_offset
        a = saturate(a >> branch.squeeze_shift, branch.bits)
        b = convolve(a.astype(np.float64), self._interaction, self._stride).astype(np.int64)
        b = saturate((b + rounding_half(branch.interaction_shift)) >> branch.interaction_shift, branch.bits)
        return SIResult(z, a, b, (_product(b, branch.expand) + branch.expand_offset) >> branch.expand_shift)


def _product(x: IntArray, weight: IntArray) -> IntArray:
    return np.asarray((x.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64))
