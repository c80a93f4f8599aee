"""What lowering cost: words that saturate, and classes that change, on calibration images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fracdse.parameters import NetworkParameters
from fracdse.program.executor import Executor
from fracdse.program.float_reference import evaluate
from fracdse.program.model import Program

# Shares from which on a user should hear of it. Fewer saturated words than this are single outliers.
SATURATION_WARNING = 1e-4
AGREEMENT_WARNING = 0.9
_CHUNK_IMAGES = 16


@dataclass(frozen=True)
class LayerSaturation:
    """Residual words of one layer (`stem` or a gated convolution) that were clamped, of all that were computed."""

    name: str
    saturated: int
    words: int

    @property
    def share(self) -> float:
        """Return the share of clamped words."""
        return self.saturated / self.words


@dataclass(frozen=True)
class LoweringReport:
    """Saturation a layer, and the share of images whose class is the float network's."""

    layers: tuple[LayerSaturation, ...]
    agreement: float
    images: int
    feature_bits: int

    @property
    def saturated_share(self) -> float:
        """Return the share of clamped words over all layers."""
        return sum(layer.saturated for layer in self.layers) / sum(layer.words for layer in self.layers)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences for the user; empty where there is nothing to say."""
        found = []
        worst = max(self.layers, key=lambda layer: layer.share)
        if worst.share >= SATURATION_WARNING:
            found.append(
                f"accelerator.feature_bits = {self.feature_bits}: {_percent(self.saturated_share)} of the residual "
                f"words saturate on {self.images} calibration images, {_percent(worst.share)} in layer {worst.name}. "
                "Use more feature bits."
            )
        if self.agreement < AGREEMENT_WARNING:
            found.append(
                f"the integer program gives the float network's class for {self.agreement:.1%} of {self.images} "
                f"calibration images. Use more bits than accelerator.feature_bits = {self.feature_bits}, "
                "or check the accuracy of both."
            )
        return tuple(found)


def _percent(share: float) -> str:
    return f"{share:.2%}" if share >= 1e-4 else "less than 0.01%"


def lowering_report(parameters: NetworkParameters, program: Program, images: NDArray[np.uint8]) -> LoweringReport:
    """Run float network and program on images (N, H, W, colours) and count what differs.

    Raises:
        ProgramError: The images are not of the program's shape and type.
    """
    executor = Executor(program)
    names = ["stem", *(conv.name for conv in program.convs)]
    saturated = np.zeros(len(names), np.int64)
    words = np.zeros(len(names), np.int64)
    for start in range(0, len(images), _CHUNK_IMAGES):
        chunk = images[start : start + _CHUNK_IMAGES]
        for index, (total, kept) in enumerate(executor.residuals(chunk)):
            saturated[index] += np.count_nonzero(total != kept)
            words[index] += kept.size
    same = executor.run(images).predictions == evaluate(parameters, images).argmax(1)
    layers = tuple(map(LayerSaturation, names, saturated.tolist(), words.tolist()))
    return LoweringReport(layers, float(same.mean()), len(images), program.feature_bits)
