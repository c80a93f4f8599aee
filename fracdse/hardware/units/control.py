"""Control: AXI4-Lite registers, counters and the two AXI4-Streams' ends."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms


def control_terms(gated_layers: int) -> UnitTerms:
    """Count the control unit; every gated layer has a 64-bit counter."""
    return UnitTerms(
        "control",
        lut={"layers": gated_layers, "one": 1},
        ff={"layers": gated_layers, "one": 1},
    )
