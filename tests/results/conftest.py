"""Small exact studies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fracdse.design import Design, NetworkChoices
from fracdse.figures import Figure, HardwareFigures
from fracdse.records import TrialRecord

MakeRecord = Callable[..., TrialRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    """Make a complete trial with an accuracy and hardware figures; LUTs have an interval of ±5 %."""

    def make(number: int, accuracy: float | None, bram18: float = 10, dsp: float = 4, **changes: Any) -> TrialRecord:
        lut = 1000.0 + number
        exact = Figure.exact
        figures = HardwareFigures(
            lut=Figure(lut, 0.95 * lut, 1.05 * lut), ff=exact(900), bram18=exact(bram18), dsp=exact(dsp),
            cycles_per_frame=exact(500), fps=exact(500_000), latency_us=exact(4), power_w=Figure(3, 2, 4),
        )  # fmt: skip
        values: dict[str, Any] = {
            "number": number, "state": "complete", "accuracy": accuracy, "hardware": figures, "params": {},
            "seed": number, "design": Design(network=NetworkChoices(width=number + 1)),
        }  # fmt: skip
        return TrialRecord(**(values | changes))

    return make
