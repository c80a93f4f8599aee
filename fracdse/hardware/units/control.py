"""Control: AXI4-Lite registers, counters and the two AXI4-Streams' ends."""

from __future__ import annotations

from collections.abc import Sequence

from fracdse.hardware.terms import UnitTerms
from fracdse.registers import gate_counter_slots


def counter_bits(channels: Sequence[int]) -> int:
    """Return the bits of the narrow counters of open gates, one a layer, that are emptied in turn."""
    slots = gate_counter_slots(len(channels))
    return sum((count * slots).bit_length() for count in channels)


def control_terms(gated_layers: int, counter_bits: int) -> UnitTerms:
    """Count the control unit; `counter_bits` of open gates are moved into 64-bit totals in LUT memory, one adder."""
    return UnitTerms(
        "control",
        lut={"layers": gated_layers, "counter_bits": counter_bits, "one": 1},
        ff={"layers": gated_layers, "counter_bits": counter_bits, "one": 1},
    )
