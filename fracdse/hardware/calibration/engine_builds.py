"""The two released FracBNN accelerators, which test the engine model: nothing is fitted on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices


@dataclass(frozen=True)
class EngineBuild:
    """A build by its design and the figures known of it."""

    source: str
    design: Design
    figures: Mapping[str, float]


_ACCELERATOR = AcceleratorChoices(architecture="engine", feature_bits=16, constant_bits=12)

RELEASED_ENGINES = (
    EngineBuild(
        "FracBNN CIFAR-10 (arXiv:2012.12206; cycles = 250 MHz / 2,806.9 frames/s; BRAM as synthesised)",
        Design(accelerator=_ACCELERATOR),
        {"cycles_per_frame": 89_066.0, "lut": 51_444.0, "bram18": 288.0, "dsp": 126.0},
    ),
    EngineBuild(
        "FracBNN ImageNet (arXiv:2012.12206; cycles = 250 MHz / 48.1 frames/s; memory latency of 100 cycles assumed)",
        Design(
            image=ImageFormat(224, 224, 3, 1000),
            network=NetworkChoices(body="mobilenet", width=32, shortcut_bits=4),
            accelerator=_ACCELERATOR,
        ),
        {"cycles_per_frame": 250e6 / 48.1, "lut": 50_656.0, "bram18": 401.0, "dsp": 224.0},
    ),
)
